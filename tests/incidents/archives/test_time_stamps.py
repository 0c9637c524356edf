"""Time stamps in archives: asked of an authority, kept, and verified by OpenSSL."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from evidence import storage
from evidence.accounts.access import Role
from evidence.audit.log.keys import verifier_keys
from evidence.models import WorkState
from evidence.proof.verify_archive import check_archive
from evidence.queue.running import WorkPutBack
from incidents.models import ArchiveSeal, CaseArchive
from incidents.services.archives.making import Contents, write_case
from incidents.services.archives.requests import request_archive, run_archive
from tests.authority import Authority, time_stamping
from tests.factories import make_user
from tests.incidents.postmortem.cases import make_case

pytestmark = [pytest.mark.django_db, pytest.mark.long]
NAMES = ["timestamps/checkpoint-1.tsr", "timestamps/manifest-1.tsr"]


@pytest.fixture
def authority(tmp_path: Path, settings: Settings) -> Iterator[Authority]:
    """An authority that is configured, below a folder with its root certificate."""
    folder = tmp_path / "authority"
    folder.mkdir()
    with time_stamping(folder) as made:
        settings.LOG_PLACES = [made.place]
        yield made


def ask() -> CaseArchive:
    actor = make_user(Role.REVIEWER)
    return request_archive(incident_id=make_case().pk, actor=actor)


def stored(archive: CaseArchive) -> bytes:
    return storage.read_verified(CaseArchive.objects.get(pk=archive.pk).sha256_hex)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            name.partition("/")[2]: archive.read(name) for name in archive.namelist()
        }


def test_manifest_and_checkpoint_are_stamped_and_openssl_verifies_both_offline(
    authority: Authority, tmp_path: Path
) -> None:
    archive = ask()
    run_archive(archive_id=archive.pk)
    made = members(stored(archive))

    assert [name for name in made if name.startswith("timestamps/")] == NAMES
    for name, stamped in zip(
        NAMES, ("history/checkpoint.txt", "manifest.json"), strict=True
    ):
        assert authority.verifies(made[name], made[stamped])
        assert not authority.verifies(made[name], made[stamped] + b"x")
        assert "Hash Algorithm: sha256" in authority.describe(made[name])
    assert b"timestamps/" not in made["SHA256SUMS"]
    assert b"timestamps/" not in made["manifest.json"]
    path = tmp_path / "a.zip"
    path.write_bytes(stored(archive))
    assert check_archive(str(path), verifier_keys(), []) == []


def test_the_stamps_are_kept_so_that_the_same_archive_has_the_same_bytes(
    authority: Authority,
) -> None:
    archive = ask()
    run_archive(archive_id=archive.pk)
    asked = authority.asked
    again = io.BytesIO()
    write_case(CaseArchive.objects.get(pk=archive.pk), again, make_contents=Contents)
    assert again.getvalue() == stored(archive)
    assert authority.asked == asked == 2


def test_an_authority_that_is_away_is_asked_again_and_then_said_to_be_missing(
    authority: Authority, client: Client
) -> None:
    authority.status = 503
    archive = ask()
    for _ in range(2):
        with pytest.raises(WorkPutBack, match="No time stamp from rfc3161"):
            run_archive(archive_id=archive.pk)
        assert not ArchiveSeal.objects.exists()
    run_archive(archive_id=archive.pk)

    archive.refresh_from_db()
    assert archive.state == WorkState.DONE
    assert NAMES[0] not in members(stored(archive))
    seal = ArchiveSeal.objects.get()
    assert seal.time_stamps == []
    assert "answered with 503" in seal.problem
    client.force_login(make_user(Role.REVIEWER))
    page = client.get(f"/admin/incidents/casearchive/{archive.pk}/change/")
    assert "Not stamped: No time stamp from rfc3161: 127.0.0.1" in page.content.decode()


def test_a_stamp_over_something_else_is_not_taken(authority: Authority) -> None:
    def answer_another(body: bytes) -> tuple[int, bytes]:
        """Stamp another hash than was asked for, under the same request's number."""
        place = body.index(b"\x04\x20") + 2
        return authority.answer(body[:place] + bytes(32) + body[place + 32 :])

    authority.respond = answer_another
    with pytest.raises(WorkPutBack, match="does not verify"):
        run_archive(archive_id=ask().pk)


def test_a_page_says_who_stamped_an_archive_and_where_nobody_was_to(
    authority: Authority, client: Client, settings: Settings
) -> None:
    stamped = ask()
    run_archive(archive_id=stamped.pk)
    settings.LOG_PLACES = []
    bare = ask()
    run_archive(archive_id=bare.pk)
    client.force_login(make_user(Role.REVIEWER))

    def page_of(archive: CaseArchive) -> str:
        url = f"/admin/incidents/casearchive/{archive.pk}/change/"
        return client.get(url).content.decode()

    assert f"{NAMES[1]} (rfc3161: 127.0.0.1)" in page_of(stamped)
    assert "No time-stamping authority was configured" in page_of(bare)
    assert json.dumps(ArchiveSeal.objects.get(archive=bare).time_stamps) == "[]"

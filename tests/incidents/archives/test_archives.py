"""A case's archive: what it holds, that it checks itself, and what makes it count."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from evidence import storage
from evidence.accounts.access import Role
from evidence.audit.log.growing import grow_log
from evidence.audit.log.keys import verifier_keys
from evidence.audit.log.reading import newest_checkpoint
from evidence.errors import PermissionRefused
from evidence.models import AuditEntry, Channel, WorkState
from evidence.proof.notes import encode_verifier
from evidence.proof.verify_archive import check_archive
from evidence.queue.running import WorkPutBack
from evidence.services import run_verification
from evidence.simulation import simulate_document
from incidents.models import CaseArchive, Incident
from incidents.services.archives.checking import check_brought
from incidents.services.archives.making import Contents, write_case
from incidents.services.archives.requests import (
    open_archive,
    request_archive,
    run_archive,
)
from incidents.services.gates.gathering import gather_postmortem
from incidents.services.postmortems.archive import archive_postmortem
from tests.evidence.audit.test_log import make_consistent, rechain
from tests.evidence.helpers import receive, without_triggers
from tests.evidence.proof.archives import FOLDER as PROOF
from tests.evidence.proof.hostile import HOSTILE
from tests.factories import close_false_alarm, make_incident, make_user
from tests.incidents.alerts.samples import make_rules, receive_one
from tests.incidents.postmortem.cases import make_case, make_version, sign

pytestmark = [pytest.mark.django_db, pytest.mark.long]


def make_archive(incident: Incident) -> CaseArchive:
    asked = request_archive(incident_id=incident.pk, actor=make_user(Role.REVIEWER))
    made = run_archive(archive_id=asked.pk)
    assert made is not None
    return made


def read(archive: CaseArchive) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(storage.read_verified(archive.sha256_hex)))


def test_an_archive_checks_itself_in_an_empty_folder_with_a_bare_python(
    tmp_path: Path,
) -> None:
    incident = make_case()
    receive(incident.pk, b"call notes", "..\\Mémo 日本 (1).txt")
    archive = make_archive(incident)
    require_sound_elsewhere(archive, tmp_path)


def test_an_alert_whose_numbers_are_no_integers_again_costs_no_archive(
    tmp_path: Path,
) -> None:
    make_rules()
    row = receive_one(odd=[1e23, 2.0**60])
    assert row.incident is not None
    archive = make_archive(row.incident)
    require_sound_elsewhere(archive, tmp_path)
    (folder,) = tmp_path.iterdir()
    lines = (folder / "records/alerts.ndjson").read_text().splitlines()
    documents = [json.loads(line).get("document") for line in lines]
    assert [1e23, "1152921504606847000"] in [each["odd"] for each in documents if each]


def require_sound_elsewhere(archive: CaseArchive, empty: Path) -> None:
    """Unpack an archive in an empty folder and check it there with nothing installed.

    By the distribution's own Python where it has one, and by `sha256sum`.
    """
    with read(archive) as file:
        file.extractall(empty)
    (folder,) = empty.iterdir()
    key = encode_verifier(verifier_keys()[0])
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    command = [python, "-I", "-S", folder / "verify_archive.py", "--key", key, "--json"]

    done = subprocess.run(
        command, cwd=folder, env={}, capture_output=True, text=True, check=False
    )
    sums = subprocess.run(
        ["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=False
    )

    assert (json.loads(done.stdout)["faults"], done.returncode) == ([], 0)
    assert sums.returncode == 0


@pytest.mark.parametrize(
    "playbook",
    [
        *("INC-2", "INC-3"),
        *(pytest.param(f"INC-{n}", marks=pytest.mark.slow) for n in (1, 4, 5, 6)),
    ],
)
def test_an_archive_of_every_class_checks_itself_with_a_bare_python(
    playbook: str, tmp_path: Path
) -> None:
    incident = make_incident(playbook=playbook)
    simulated = simulate_document(calls=200, seed=7, scenario=playbook.lower())
    item = receive(incident.pk, json.dumps(simulated).encode())
    run_verification(request_id=item.verification_requests.get().pk)
    archive = make_archive(incident)
    assert archive.state == WorkState.DONE
    require_sound_elsewhere(archive, tmp_path)
    with read(archive) as file:
        manifest = json.loads(file.read(f"{incident.reference}/manifest.json"))
    assert manifest["predicate"]["reference"] == incident.reference
    assert manifest["predicate"]["records"]["reports"] == 1


@pytest.mark.django_db(transaction=True)
def test_an_archive_is_made_and_tells_its_progress_where_transactions_are_real(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Elsewhere a test's own transaction lets what only reads write as well."""
    monkeypatch.setattr("evidence.queue.claiming.PROGRESS_SECONDS", -1.0)
    incident = make_case()
    for number in range(3):
        receive(incident.pk, b"notes %d" % number, f"notes-{number}.txt")
    archive = make_archive(incident)
    assert archive.state == WorkState.DONE
    assert archive.progress_percent > 0


def test_the_same_case_and_moment_give_the_same_bytes_later() -> None:
    incident = make_case()
    archive = make_archive(incident)
    grow_log(state_now=True)
    again = io.BytesIO()
    write_case(CaseArchive.objects.get(pk=archive.pk), again, make_contents=Contents)
    assert again.getvalue() == storage.read_verified(archive.sha256_hex)


def test_a_member_is_stored_and_says_nothing_of_the_machine() -> None:
    with read(make_archive(make_case())) as file:
        infos = file.infolist()
    names = [info.filename for info in infos]
    assert names == sorted(names, key=str.encode)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.external_attr >> 16 for info in infos} == {0o100644}
    assert {(info.compress_type, info.extra, info.comment) for info in infos} == {
        (zipfile.ZIP_STORED, b"", b"")
    }


def test_an_archive_agrees_with_a_checkpoint_kept_outside(tmp_path: Path) -> None:
    incident = make_case()
    archive = make_archive(incident)
    kept = tmp_path / "kept.txt"
    kept.write_text(newest_checkpoint().note)
    path = tmp_path / "a.zip"
    path.write_bytes(storage.read_verified(archive.sha256_hex))
    assert not check_archive(str(path), verifier_keys(), [str(kept)])


def test_the_condition_is_met_by_an_archive_that_passes_and_by_nothing_less() -> None:
    version = make_version()
    archive_postmortem(review_id=sign(version).pk)
    cycle = version.postmortem.cycle
    assert not gather_postmortem(cycle).artifacts_archived
    waiting = CaseArchive.objects.get(incident=cycle.incident)

    assert run_archive(archive_id=waiting.pk)

    assert gather_postmortem(cycle).artifacts_archived
    with read(CaseArchive.objects.get(pk=waiting.pk)) as file:
        names = {name.rpartition("/")[2] for name in file.namelist()}
    assert {"1-v1.json", "1-v1.md", "1-v1.pdf"} <= names


def test_a_case_that_is_closed_is_archived_by_itself_as_it_was_closed() -> None:
    incident = make_case()
    close_false_alarm(incident)
    archive = CaseArchive.objects.get(incident=incident)
    assert archive.requested_by is None
    run_archive(archive_id=archive.pk)
    with read(CaseArchive.objects.get(pk=archive.pk)) as file:
        top = f"{incident.reference}/"
        predicate = json.loads(file.read(f"{top}manifest.json"))["predicate"]
        history = file.read(f"{top}history/incident_{incident.pk}.ndjson")
    assert (predicate["status"], predicate["made_by"]) == (
        "closed_false_alarm",
        "system",
    )
    assert b'"action":"incident.closed"' in history


def test_an_archive_of_a_history_that_does_not_hold_is_not_kept() -> None:
    version = make_version()
    archive_postmortem(review_id=sign(version).pk)
    cycle = version.postmortem.cycle
    waiting = CaseArchive.objects.get(incident=cycle.incident)
    first = AuditEntry.objects.filter(stream=f"incident:{cycle.incident_id}").last()
    without_triggers(
        "UPDATE evidence_auditentry SET reason = 'other' WHERE id = %s", first.pk
    )
    for _ in range(3):
        try:
            run_archive(archive_id=waiting.pk)
        except WorkPutBack:
            continue

    waiting.refresh_from_db()
    assert waiting.state == WorkState.GAVE_UP
    assert "chain_fault" in waiting.failure
    assert not waiting.sha256_hex
    fact = gather_postmortem(cycle)
    assert not fact.artifacts_archived
    assert "chain_fault" in fact.archive_problem


def test_evidence_that_was_damaged_in_the_store_is_not_archived() -> None:
    incident = make_case()
    item = receive(incident.pk, b"call notes", "notes.txt")
    path = Path(storage.open_stored(item.sha256_hex).name)
    path.chmod(0o600)
    path.write_bytes(b"call Notes")
    asked = request_archive(incident_id=incident.pk, actor=make_user(Role.REVIEWER))
    with pytest.raises(WorkPutBack, match="digest_mismatch"):
        run_archive(archive_id=asked.pk)


def test_who_may_ask_for_one_and_take_one(outsider: User, responder: User) -> None:
    incident = make_case()
    with pytest.raises(PermissionRefused):
        request_archive(incident_id=incident.pk, actor=outsider)
    archive = make_archive(incident)
    with pytest.raises(PermissionRefused):
        open_archive(archive_id=archive.pk, actor=responder, channel=Channel.ADMIN)
    reviewer = make_user(Role.REVIEWER)
    assert b"".join(
        open_archive(archive_id=archive.pk, actor=reviewer, channel=Channel.ADMIN)
    )
    taken = AuditEntry.objects.get(action="archive.downloaded")
    assert taken.actor == reviewer
    assert taken.after["sha256_hex"] == archive.sha256_hex


def test_an_archives_page_shows_it_and_hands_it_out(
    client: Client, responder: User
) -> None:
    incident = make_case()
    archive = make_archive(incident)
    url = f"/admin/incidents/casearchive/{archive.pk}"
    client.force_login(make_user(Role.REVIEWER))
    page = client.get(f"{url}/change/").content.decode()
    assert archive.sha256_hex in page
    answer = client.get(f"{url}/file/")
    assert answer["Content-Disposition"].startswith("attachment")
    assert b"".join(answer.streaming_content)[:2] == b"PK"
    client.force_login(responder)
    assert client.get(f"{url}/file/").status_code == 403
    made = client.post(
        "/admin/incidents/casearchive/add/", {"case": incident.reference}
    )
    assert made.status_code == 302
    assert CaseArchive.objects.filter(incident=incident).count() == 2


def test_a_refused_ask_comes_back_as_typed_with_its_error(client: Client) -> None:
    client.force_login(make_user(Role.REVIEWER))
    typed = {
        "case": "SEC-INC-1999-0001",
        "redaction": "chosen",
        "flags": ["redact_params_hash"],
    }
    page = client.post("/admin/incidents/casearchive/add/", typed)
    form = page.context["form"]
    assert form.errors == {"case": ["There is no case of this reference. Check it."]}
    assert {name: form[name].value() for name in typed} == typed
    assert 'value="SEC-INC-1999-0001"' in page.content.decode()
    assert not CaseArchive.objects.exists()


def test_an_ask_that_is_sent_twice_makes_one_archive(client: Client) -> None:
    incident = make_case()
    client.force_login(make_user(Role.REVIEWER))
    url = "/admin/incidents/casearchive/add/"
    key = re.search(
        r'name="form_key" value="([^"]+)"', client.get(url).content.decode()
    )
    assert key is not None
    asked = {"case": incident.reference, "redaction": "full", "form_key": key[1]}
    first, second = client.post(url, asked), client.post(url, asked)
    assert first["Location"] == second["Location"]
    assert CaseArchive.objects.filter(incident=incident).count() == 1


def test_an_archive_that_somebody_brings_is_checked(
    client: Client, outsider: User
) -> None:
    archive = make_archive(make_case())
    data = storage.read_verified(archive.sha256_hex)
    client.force_login(make_user(Role.REVIEWER))
    url = "/admin/incidents/casearchive/check/"

    def bring(content: bytes) -> str:
        file = io.BytesIO(content)
        file.name = "brought.zip"
        return client.post(url, {"archive": file}).content.decode()

    ours = bring(data)
    assert "Nothing wrong was found" in ours
    assert archive.file_name in ours
    assert "history extends the archive" in ours
    spoilt = bring(data.replace(b"What is proved", b"What was proved"))
    assert "Faults were found" in spoilt
    assert "unreadable" in spoilt
    foreign = bring((PROOF / "good.zip").read_bytes())
    assert "Nothing wrong was found" in foreign
    assert "No key of this installation signed it" in foreign
    assert "cannot be held against" in foreign
    assert "unreadable" in bring(b"no archive")
    client.force_login(outsider)
    assert client.get(url).status_code == 403


@pytest.mark.parametrize(
    "name",
    [
        *("a byte order mark", "a name twice", "an absolute name", "a link"),
        *("a size of 2^60 in ZIP64", "a password"),
        pytest.param("a manifest of 200 MB of blanks", marks=pytest.mark.slow),
        *("no ZIP", "an empty ZIP"),
    ],
)
def test_a_hostile_archive_that_somebody_brings_is_judged(
    name: str, client: Client
) -> None:
    """What is found in it is shown; nothing of it is kept, and nothing is ours."""
    make, codes = HOSTILE[name]
    file = io.BytesIO(make())
    file.name = "brought.zip"
    client.force_login(make_user(Role.REVIEWER))
    answer = client.post("/admin/incidents/casearchive/check/", {"archive": file})
    assert answer.status_code == 200
    found = answer.context["found"]
    assert {fault["code"] for fault in found.faults} == codes
    assert (found.made_here, found.is_signed_here) == (None, False)
    assert found.history == "unknown"


def test_an_archive_that_was_changed_is_none_of_ours_though_its_history_is(
    client: Client,
) -> None:
    """What was repacked has other bytes; a checkpoint of ours in it is compared."""
    data = storage.read_verified(make_archive(make_case()).sha256_hex)
    repacked = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as made,
        zipfile.ZipFile(repacked, "w", zipfile.ZIP_DEFLATED) as file,
    ):
        for name in made.namelist():
            file.writestr(name, made.read(name))
    repacked.seek(0)
    repacked.name = "repacked.zip"
    client.force_login(make_user(Role.REVIEWER))
    url = "/admin/incidents/casearchive/check/"
    found = client.post(url, {"archive": repacked}).context["found"]
    assert (found.faults, found.made_here) == ([], None)
    assert (found.is_signed_here, found.history) == (True, "extends")


def read_bytes_count() -> int:
    """Return how many bytes this process has read from files."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(lines[0].removeprefix("rchar: "))


def test_an_archive_that_somebody_brings_is_checked_once(tmp_path: Path) -> None:
    """It may be gigabytes, in a web request: it is hashed, and checked, once each."""
    path = tmp_path / "brought.zip"
    path.write_bytes(storage.read_verified(make_archive(make_case()).sha256_hex))
    reviewer = make_user(Role.REVIEWER)
    check_brought(path, actor=reviewer)
    before = read_bytes_count()
    check_archive(str(path), [], [])
    once = read_bytes_count() - before
    assert once >= path.stat().st_size / 2
    before = read_bytes_count()
    found = check_brought(path, actor=reviewer)
    assert read_bytes_count() - before < 1.5 * once + path.stat().st_size
    assert (found.faults, found.is_signed_here) == ([], True)


def test_a_manifest_of_ours_is_not_signed_here_once_it_was_changed(
    tmp_path: Path,
) -> None:
    data = storage.read_verified(make_archive(make_case()).sha256_hex)
    path = tmp_path / "brought.zip"
    with (
        zipfile.ZipFile(io.BytesIO(data)) as made,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
    ):
        for name in made.namelist():
            whole = made.read(name)
            if name.endswith("/manifest.json"):
                whole = whole.replace(b'"checkpoint_size":', b'"checkpoint_sizes":')
            file.writestr(name, whole)
    found = check_brought(path, actor=make_user(Role.REVIEWER))
    assert not found.is_signed_here
    assert "manifest_mismatch" in {fault["code"] for fault in found.faults}


def test_a_rewritten_history_conflicts_with_an_archive_of_before(
    client: Client,
) -> None:
    """A superuser's rewrite, made consistent again, is told by who brings one."""
    incident = make_case()
    data = storage.read_verified(make_archive(incident).sha256_hex)
    stream = f"incident:{incident.pk}"
    without_triggers(
        "UPDATE evidence_auditentry SET reason = 'x' "
        "WHERE sequence = 2 AND stream = %s",
        stream,
    )
    rechain(stream)
    make_consistent()
    grow_log(state_now=True)
    file = io.BytesIO(data)
    file.name = "brought.zip"
    client.force_login(make_user(Role.REVIEWER))
    answer = client.post("/admin/incidents/casearchive/check/", {"archive": file})
    found = answer.context["found"]
    assert found.history == "conflicts"
    assert "does not extend" in answer.content.decode()

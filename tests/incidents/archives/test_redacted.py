"""Archives for outsiders: what they hold, and that nothing hidden is in any byte."""

from __future__ import annotations

import copy
import io
import json
import os
import zipfile
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from pypdf import PdfReader

from evidence import storage
from evidence.accounts.access import Role
from evidence.audit.log.keys import verifier_keys
from evidence.errors import PermissionRefused
from evidence.format import REDACTION_FLAGS, read_document
from evidence.format.hiding import Secrets, strings_held
from evidence.format.names import REDACTED_MEMBERS
from evidence.format.redaction import IncidentBundleRedactionPolicy
from evidence.format.redactor import Redactor
from evidence.handling import Tlp
from evidence.models import AuditEntry, Channel, WorkState
from evidence.proof.verify_archive import check_archive
from evidence.queue import children
from incidents.errors import IncidentError
from incidents.models import CaseArchive, Incident
from incidents.services.archives.copies import RedactedContents
from incidents.services.archives.making import write_case
from incidents.services.archives.records import TABLES, row_document
from incidents.services.archives.requests import (
    open_archive,
    request_archive,
    run_archive,
)
from incidents.services.gates.gathering import gather_postmortem
from incidents.services.lifecycle.marks import set_mark
from incidents.services.postmortems.archive import archive_postmortem
from incidents.services.timeline import write_entry
from tests.canaries import MEMBERS, NAME, VALUES, planted_bundle, song, traces, verse
from tests.evidence.helpers import read_vector, receive
from tests.factories import NOON, make_incident, make_user
from tests.incidents.postmortem.cases import (
    TEXTS,
    make_postmortem,
    sign,
    submit,
    write,
)

pytestmark = [pytest.mark.django_db, pytest.mark.long]
FULL = dict.fromkeys(REDACTION_FLAGS, True)


def planted_case(text: str) -> Incident:
    """Return a case with the canaries in its evidence, notes and names."""
    incident = make_incident(title=f"Case of {NAME}"[:200])
    receive(incident.pk, planted_bundle(text), f"bundle {NAME}.json")
    receive(incident.pk, text.encode(), f"{NAME}.log")
    write_entry(actor=make_user(), incident_id=incident.pk, body=text, event_at=NOON)
    return incident


def make(incident: Incident, *, redaction: Any = FULL, deep: bool = True) -> Any:
    asked = request_archive(
        incident_id=incident.pk,
        actor=make_user(Role.REVIEWER),
        redaction=redaction,
        deep=deep,
    )
    run_archive(archive_id=asked.pk)
    return CaseArchive.objects.get(pk=asked.pk)


def read(archive: CaseArchive) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(storage.read_verified(archive.sha256_hex)))


def texts_of(archive: CaseArchive) -> Iterator[tuple[str, str]]:
    """Yield every member's name and its text, a PDF's as a reader sees it."""
    with read(archive) as file:
        for name in file.namelist():
            data = file.read(name)
            yield name, name
            if name.endswith(".pdf"):
                pages = PdfReader(io.BytesIO(data)).pages
                yield name, "\n".join(page.extract_text() for page in pages)
            else:
                yield name, data.decode()


def predicate_of(archive: CaseArchive) -> Any:
    with read(archive) as file:
        name = f"{archive.incident.reference}/manifest.json"
        return json.loads(file.read(name))["predicate"]


def test_no_canary_is_left_in_any_byte_of_a_deeply_redacted_archive(tmp_path) -> None:
    incident = planted_case(song())
    postmortem = make_postmortem(incident)
    texts = dict.fromkeys(TEXTS, verse())
    write(postmortem, **{**texts, next(iter(texts)): song()[:18_000]})
    review = sign(submit(postmortem))
    archive_postmortem(review_id=review.pk)
    archive = make(incident)

    assert (archive.state, archive.failure) == (WorkState.DONE, "")
    names = [name for name, _ in texts_of(archive)]
    assert any(name.endswith(".pdf") for name in names)
    left = {name: traces(text) for name, text in texts_of(archive) if traces(text)}
    assert left == {}
    path = tmp_path / "archive.zip"
    path.write_bytes(storage.read_verified(archive.sha256_hex))
    assert check_archive(str(path), verifier_keys(), []) == []


@pytest.mark.parametrize(
    "model",
    [model for pairs in TABLES.values() for model, _ in pairs],
    ids=lambda model: model._meta.label_lower,
)
def test_no_text_of_any_record_keeps_a_canary(model: type[models.Model]) -> None:
    """A field that is added later is planted too: it is handled, or this fails."""
    row = model()
    for column in model._meta.concrete_fields:
        if isinstance(column, models.JSONField):
            setattr(row, column.attname, {**VALUES, verse(): [verse(), {"a": verse()}]})
        elif isinstance(column, (models.TextField, models.CharField)):
            setattr(row, column.attname, verse())
    try:
        document = row_document(row, lambda person: "somebody")
    except (ObjectDoesNotExist, ValueError):
        # A row that was never written has no other rows to name: its own columns.
        document = {
            column.name: getattr(row, column.attname)
            for column in model._meta.concrete_fields
        }
    assert traces(json.dumps(document, default=str)) or not _has_text(model)
    secrets = Secrets.of_held(strings_held(VALUES, MEMBERS))
    redactor = Redactor(IncidentBundleRedactionPolicy.full(), secrets, deep=True)
    shown = redactor.document(document, file="records/x.ndjson", line=1)
    assert traces(json.dumps(shown, default=str, ensure_ascii=False)) == []


def _has_text(model: type[models.Model]) -> bool:
    kinds = (models.JSONField, models.TextField, models.CharField)
    return any(isinstance(one, kinds) for one in model._meta.concrete_fields)


@pytest.mark.parametrize("flag", REDACTION_FLAGS)
def test_each_flag_hides_its_members_alone(flag: str) -> None:
    incident = make_incident()
    receive(incident.pk, read_vector("redaction.source"), "bundle.json")
    archive = make(incident, redaction={flag: True})
    assert archive.state == WorkState.DONE, archive.failure
    with read(archive) as file:
        (name,) = [n for n in file.namelist() if "/evidence/" in n]
        document = read_document(file.read(name))
    assert [f for f in REDACTION_FLAGS if document["redaction"][f]] == [flag]
    for section, member in REDACTED_MEMBERS[flag]:
        held = document[section]
        records = held["entries"] if section == "risk_ledger" else held
        assert {record[member] for record in records} == {"[REDACTED]"}


def test_without_deep_redaction_a_leak_fails_it_and_says_where() -> None:
    incident = planted_case(verse())
    archive = make(incident, deep=False)
    assert (archive.state, archive.sha256_hex) == (WorkState.FAILED, "")
    assert "records/timeline.ndjson" in archive.failure or (
        "more" in archive.failure and "(raw_value)" in archive.failure
    )
    assert traces(archive.failure) == []
    said = AuditEntry.objects.filter(action__startswith="archive.").latest("id")
    assert traces(said.reason) == []


def test_deep_redaction_lists_what_it_replaced_by_path_and_kind() -> None:
    incident = make_incident(title=f"Case of {NAME}")
    receive(incident.pk, planted_bundle(verse()), f"{NAME}.json")
    redaction = predicate_of(make(incident))["redaction"]
    assert redaction["deep"] is True
    assert redaction["flags"] == FULL
    found = {(row["path"].split(" ")[-1], row["kind"]) for row in redaction["replaced"]}
    assert ("$.title", "name_spelled") in found
    assert ("$.security_alerts[].summary", "raw_value") in found
    assert all(row["count"] > 0 for row in redaction["replaced"])
    assert traces(json.dumps(redaction)) == []


def test_a_redacted_archive_holds_copies_skeletons_and_says_what_it_left_out() -> None:
    incident = make_incident()
    item = receive(incident.pk, read_vector("redaction.source"), "bundle.json")
    log = receive(incident.pk, b"a line\n", "runtime.log")
    archive = make(incident, deep=False)
    assert archive.state == WorkState.DONE, archive.failure
    predicate = predicate_of(archive)
    (evidence,) = predicate["evidence"]
    assert evidence["derived_from"] == item.sha256_hex
    assert (
        sorted([item.sha256_hex, log.sha256_hex])
        == (predicate["redaction"]["left_out"])
    )
    assert list(predicate["heads"]) == [f"incident:{incident.pk}"]
    with read(archive) as file:
        streams = [n for n in file.namelist() if "/history/incident" in n]
        lines = file.read(streams[0]).splitlines()
        readme = file.read(f"{incident.reference}/README.txt").decode()
    assert {tuple(sorted(json.loads(line))) for line in lines} == {
        ("entry_hash", "previous_hash", "schema", "sequence", "stream")
    }
    assert readme.startswith("TLP:AMBER, EXTERNAL COPY")


def test_copies_are_told_apart_at_a_glance() -> None:
    incident = make_incident()
    item = receive(incident.pk, read_vector("redaction.source"), "bundle.json")
    whole = make(incident, redaction=None, deep=False)
    set_mark(actor=make_user(), incident_id=incident.pk, tlp=Tlp.RED, item_id=item.pk)
    names = [
        whole.file_name,
        make(incident, deep=False).file_name,
        make(incident, redaction={REDACTION_FLAGS[0]: True}, deep=False).file_name,
        make(incident).file_name,
    ]
    assert [name.split("_", 1)[1] for name in names] == [
        "unredacted_TLP-AMBER.zip",
        "redacted_TLP-RED.zip",
        "partly-redacted_TLP-RED.zip",
        "deeply-redacted_TLP-RED.zip",
    ]
    with read(whole) as file:
        readme = file.read(f"{incident.reference}/README.txt").decode()
    assert readme.startswith("TLP:AMBER, INTERNAL COPY")


def test_a_redacted_archive_is_the_same_bytes_when_large_bundles_make_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = make(planted_case(verse()))
    again = io.BytesIO()
    monkeypatch.setattr(children, "may_reach_limit", lambda size_bytes: True)
    monkeypatch.setattr(os, "fork", Mock(wraps=os.fork))
    write_case(
        CaseArchive.objects.get(pk=archive.pk), again, make_contents=RedactedContents
    )
    assert again.getvalue() == storage.read_verified(archive.sha256_hex)
    # One to look for what is hidden, and one for the copy.
    assert os.fork.call_count == 2


def test_a_redacted_archive_meets_no_condition() -> None:
    incident = make_incident()
    review = sign(submit(write(make_postmortem(incident))))
    archive_postmortem(review_id=review.pk)
    make(incident, deep=False)
    fact = gather_postmortem(incident.current_cycle)
    assert fact is not None
    assert not fact.artifacts_archived


def test_who_may_have_archives_made_takes_redacted_ones_and_no_whole_one() -> None:
    incident = make_incident()
    responder = make_user(Role.RESPONDER)
    whole, redacted = make(incident, redaction=None, deep=False), make(incident)
    open_archive(archive_id=redacted.pk, actor=responder, channel=Channel.ADMIN).close()
    with pytest.raises(PermissionRefused):
        open_archive(archive_id=whole.pk, actor=responder, channel=Channel.ADMIN)
    for role in (Role.REVIEWER, Role.AUDITOR):
        open_archive(
            archive_id=whole.pk, actor=make_user(role), channel=Channel.ADMIN
        ).close()
    for role in (Role.ADMINISTRATOR, Role.MACHINE, None):
        with pytest.raises(PermissionRefused):
            open_archive(
                archive_id=redacted.pk, actor=make_user(role), channel=Channel.ADMIN
            )


@pytest.mark.parametrize(
    ("redaction", "deep", "code"),
    [
        ({"redact_everything": True}, False, "invalid_redaction"),
        ({"redact_name_hash": "yes"}, False, "invalid_redaction"),
        (None, True, "nothing_redacted"),
        (dict.fromkeys(REDACTION_FLAGS, False), True, "nothing_redacted"),
    ],
)
def test_what_cannot_be_redacted_so_is_refused(redaction, deep, code) -> None:
    incident = make_incident()
    with pytest.raises(IncidentError) as refused:
        make(incident, redaction=copy.deepcopy(redaction), deep=deep)
    assert refused.value.code == code
    assert not CaseArchive.objects.exists()

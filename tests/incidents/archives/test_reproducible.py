"""An archive is of a moment: whatever changes after it, its bytes stay the same."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, models
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Role
from evidence.audit.history import incident_stream, record_entry
from evidence.audit.log.growing import grow_log
from evidence.audit.log.keys import rotate_log_key
from evidence.models import EvidenceItem
from incidents.models import CaseArchive, FrozenCase, Incident
from incidents.services.archives.copies import RedactedContents
from incidents.services.archives.freezing import FIXED_COLUMNS, is_settled
from incidents.services.archives.making import Contents, write_case
from incidents.services.archives.records import TABLES
from incidents.services.archives.requests import request_archive, run_archive
from incidents.services.lifecycle.holds import place_hold
from tests.evidence.helpers import without_triggers
from tests.factories import make_evidence, make_incident, make_user
from tests.incidents.postmortem.cases import make_case, make_signed
from tests.live import ROOT, LiveWorker
from tests.pages.world import make_everything
from tests.policy.samples import make_extension

pytestmark = [pytest.mark.django_db, pytest.mark.long]
PATHS = dict(pair for tables in TABLES.values() for pair in tables)
FULL = {"redact_params_hash": True, "redact_remediation": True}
# PostgreSQL's expression for another value than that of a column of a kind.
OTHER_VALUES: dict[type[models.Field[Any, Any]], str] = {
    models.JSONField: "'{{\"changed\": true}}'::jsonb",
    models.BooleanField: "NOT {0}",
    models.DateTimeField: "coalesce({0}, now()) + interval '1 day'",
    models.DateField: "{0} + 1",
    models.IntegerField: "{0} + 1",
    models.FloatField: "{0} + 1",
    models.CharField: "left('x' || {0}, {1})",
    models.TextField: "'changed ' || {0}",
}


def ask(incident: Incident, *, redaction: Any = None) -> CaseArchive:
    return request_archive(
        incident_id=incident.pk,
        actor=make_user(Role.REVIEWER),
        redaction=redaction,
        deep=redaction is not None,
    )


def make_again(archive: CaseArchive) -> bytes:
    """Write an archive once more, as a worker of another day would."""
    file = io.BytesIO()
    fresh = CaseArchive.objects.get(pk=archive.pk)
    make = RedactedContents if fresh.is_redacted else Contents
    write_case(fresh, file, make_contents=make)
    return file.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    """Return the bytes of an archive's members by their names below its folder."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            name.partition("/")[2]: archive.read(name) for name in archive.namelist()
        }


def changed_members(one: bytes, other: bytes) -> set[str]:
    first, second = members(one), members(other)
    names = first.keys() | second.keys()
    return {name for name in names if first.get(name) != second.get(name)}


def plant(model: type[models.Model], path: str, incident: Incident) -> None:
    """Write a row of the case where it has none, with any values that columns take."""
    if model._default_manager.filter(**{path: incident.pk}).exists():
        return
    drop_rules(model)
    columns = [one for one in model._meta.concrete_fields if not one.primary_key]
    values = [
        case_row(column, incident)
        if column.name == path.partition("__")[0]
        else any_value(column)
        for column in columns
    ]
    names = ", ".join(f'"{column.column}"' for column in columns)
    places = ", ".join(["%s"] * len(columns))
    table = model._meta.db_table
    without_triggers(f'INSERT INTO "{table}" ({names}) VALUES ({places})', *values)


def case_row(column: models.Field[Any, Any], incident: Incident) -> Any:
    """Return the key of a row of the case that a column may lead to."""
    target: Any = column.related_model
    rows = target._default_manager.all()
    if target in PATHS:
        rows = rows.filter(**{PATHS[target]: incident.pk})
    elif target is EvidenceItem:
        rows = rows.filter(incident=incident)
    return incident.pk if target is Incident else rows.first().pk


def any_value(column: models.Field[Any, Any]) -> Any:
    if column.is_relation:
        target: Any = column.related_model
        return None if column.null else target._default_manager.first().pk
    kinds: list[tuple[type[models.Field[Any, Any]], Any]] = [
        (models.JSONField, "{}"),
        (models.BooleanField, False),
        (models.DateTimeField, timezone.now()),
        (models.DateField, timezone.now().date()),
        (models.IntegerField, 1),
        (models.FloatField, 0.5),
    ]
    found = [value for kind, value in kinds if isinstance(column, kind)]
    return found[0] if found else "x"


def change(model: type[models.Model]) -> None:
    """Change every row of a table, and where rows stay as they are, write more.

    As a database that knows no rule would have it: by whom it is changed is not asked.
    """
    drop_rules(model)
    columns = [one for one in model._meta.concrete_fields if not one.primary_key]
    table = model._meta.db_table
    if is_settled(model):
        names = ", ".join(f'"{column.column}"' for column in columns)
        key = model._meta.pk.column
        copied = f'"{key}", {names}', f'"{key}" + 1000000, {names}'
        without_triggers(
            f'INSERT INTO "{table}" ({copied[0]}) SELECT {copied[1]} FROM "{table}"'
        )
        return
    fixed = FIXED_COLUMNS.get(model)
    other = {
        column.column: expression.format(f'"{column.column}"', column.max_length)
        for column in columns
        if column.name != fixed
        for expression in [expression_for(column)]
        if expression
    }
    assert other, f"{model._meta.label} has nothing that could change"
    changes = ", ".join(f'"{name}" = {value}' for name, value in other.items())
    without_triggers(f'UPDATE "{table}" SET {changes}')


def expression_for(column: models.Field[Any, Any]) -> str | None:
    """Return SQL for another value of a column; None for those that lead elsewhere."""
    if column.is_relation:
        return None
    found = [sql for kind, sql in OTHER_VALUES.items() if isinstance(column, kind)]
    return found[0] if found else None


def drop_rules(model: type[models.Model]) -> None:
    """Take a table's constraints and unique indexes away, in the test's transaction."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass "
            "AND contype IN ('c', 'u')",
            [table],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}" CASCADE')
        cursor.execute(
            "SELECT indexrelid::regclass FROM pg_index WHERE indrelid = %s::regclass "
            "AND indisunique AND NOT indisprimary",
            [table],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")


@pytest.mark.walk
def test_no_change_of_any_row_changes_an_archive_of_before() -> None:
    """Every table that an archive holds rows of is changed, each kind of row seen."""
    main = make_everything()
    for model, path in PATHS.items():
        plant(model, path, main)
    # Of one piece of evidence the world has no bytes: the same, received again.
    make_evidence(make_incident(), vector="redacted-full")
    cases = list(Incident.objects.order_by("pk"))
    asked = [ask(case) for case in cases]
    seen = {
        label
        for frozen in FrozenCase.objects.filter(archive__in=asked)
        for label, rows in frozen.content["rows"].items()
        if any(rows.values())
    }
    for archive in asked:
        run_archive(archive_id=archive.pk)
    made = [
        storage.read_verified(CaseArchive.objects.get(pk=one.pk).sha256_hex)
        for one in asked
    ]

    for model in PATHS:
        change(model)

    for archive, before in zip(asked, made, strict=True):
        again = make_again(archive)
        assert changed_members(before, again) == set()
        assert again == before
    assert seen == {model._meta.label_lower for model in PATHS}


@pytest.mark.parametrize("redaction", [None, FULL], ids=["whole", "redacted"])
def test_what_lies_beside_the_rows_changes_no_archive_of_before(redaction: Any) -> None:
    """Names, marks, kinds, keys, extensions, newer history and newer postmortems."""
    incident = make_signed().postmortem.incident
    archive = ask(incident, redaction=redaction)
    run_archive(archive_id=archive.pk)
    made = CaseArchive.objects.get(pk=archive.pk)
    before = storage.read_verified(made.sha256_hex)
    newer = timezone.now()

    for person in User.objects.all():
        User.objects.filter(pk=person.pk).update(username=f"renamed {person.pk}")
    without_triggers("UPDATE evidence_evidenceitem SET kind = 'other', own_tlp = 'red'")
    without_triggers("UPDATE incidents_incident SET title = 'Another', tlp = 'red'")
    incident.extensions.add(make_extension("ext.later"))
    rotate_log_key(actor=None, now=newer)
    record_entry(
        streams=[incident_stream(incident.pk), "extension:ext.later"],
        action="extension.seen",
        actor=None,
        obj=incident,
        now=newer,
    )
    grow_log(state_now=True)

    again = make_again(archive)
    assert changed_members(before, again) == set()
    assert again == before
    assert EvidenceItem.objects.filter(kind="other", own_tlp="red").exists()


def test_what_happens_between_asking_and_making_is_not_in_the_archive() -> None:
    incident = make_case()
    early, late = ask(incident), ask(incident)
    run_archive(archive_id=early.pk)
    place_hold(actor=make_user(), incident_id=incident.pk, reason="A court asked.")
    rotate_log_key(actor=None, now=timezone.now())
    run_archive(archive_id=late.pk)
    after = ask(incident)
    run_archive(archive_id=after.pk)

    first, second, third = (
        members(storage.read_verified(CaseArchive.objects.get(pk=one.pk).sha256_hex))
        for one in (early, late, after)
    )
    decisions = "records/decisions.ndjson"
    assert first[decisions] == second[decisions] != third[decisions]
    assert b"A court asked." in third[decisions]


def test_an_archive_that_was_asked_for_before_cases_were_frozen_is_made() -> None:
    archive = ask(make_case())
    without_triggers("DELETE FROM incidents_frozencase")
    made = run_archive(archive_id=archive.pk)
    assert made is not None
    assert make_again(archive) == storage.read_verified(made.sha256_hex)


WRITE_AGAIN = """
import hashlib, io, os
from incidents.models import CaseArchive
from incidents.services.archives.copies import RedactedContents
from incidents.services.archives.making import Contents, write_case

os.umask(0o77)
for archive in CaseArchive.objects.order_by("pk"):
    file = io.BytesIO()
    make = RedactedContents if archive.is_redacted else Contents
    write_case(archive, file, make_contents=make)
    print(hashlib.sha256(file.getvalue()).hexdigest())
"""


@pytest.mark.live
@pytest.mark.django_db(transaction=True)
def test_another_process_of_another_place_gives_the_same_bytes(
    evidence_folder: Path, tmp_path: Path
) -> None:
    """Whatever order its sets have, its zone, language, folder and user mask."""
    incident = make_signed().postmortem.incident
    make_evidence(incident)
    made = []
    for redaction in (None, FULL):
        done = run_archive(archive_id=ask(incident, redaction=redaction).pk)
        assert done is not None
        made.append(done)
    variables = LiveWorker(evidence_folder, Path(os.devnull)).variables()
    key = {"LOG_KEY_FILE": f"{evidence_folder}.log-key"}
    expected = list(
        CaseArchive.objects.order_by("pk").values_list("sha256_hex", flat=True)
    )
    assert {one.sha256_hex for one in made} <= set(expected)
    for seed, zone in (("1", "Pacific/Kiritimati"), ("2", "America/St_Johns")):
        elsewhere = {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C", "LANG": "tr_TR"}
        told = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "shell", "-c", WRITE_AGAIN],
            cwd=tmp_path,
            env={**os.environ, **variables, **key, **elsewhere},
            capture_output=True,
            text=True,
        )
        assert told.returncode == 0, told.stderr
        assert [line for line in told.stdout.split() if len(line) == 64] == expected

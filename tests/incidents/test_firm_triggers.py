"""No session can have the database ignore the triggers that keep history."""

from __future__ import annotations

from collections.abc import Callable

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from evidence.checks import check_triggers
from evidence.models.triggers import FirmTriggerSql
from incidents.models import PostmortemReview
from tests.factories import make_user
from tests.incidents.postmortem.cases import (
    make_case,
    make_postmortem,
    make_signed,
    make_version,
)

pytestmark = [pytest.mark.django_db, pytest.mark.long]
ROLE = "casefile_ignoring_role"
Statement = tuple[str, list[object]]


def own_signature() -> Statement:
    version = make_version()
    return (
        "INSERT INTO incidents_postmortemreview"
        " (version_id, verdict, content_sha256, comment, reviewed_at, reviewer_id)"
        " VALUES (%s, 'signed', %s, '', now(), %s)",
        [version.pk, version.content_sha256, version.submitted_by_id],
    )


def edited_review() -> Statement:
    make_signed()
    review = PostmortemReview.objects.get()
    return (
        "UPDATE incidents_postmortemreview SET reviewer_id = %s WHERE id = %s",
        [make_user().pk, review.pk],
    )


def text_after_submission() -> Statement:
    version = make_version()
    return (
        "INSERT INTO incidents_postmortemdraft"
        " (postmortem_id, revision, sections, saved_at, saved_by_id)"
        " VALUES (%s, 99, '{}', now(), %s)",
        [version.postmortem_id, version.submitted_by_id],
    )


def gap_in_the_history() -> Statement:
    incident = make_case()
    return (
        "INSERT INTO evidence_auditentry (stream, sequence, recorded_at, actor_name,"
        " action, object_type, object_id, object_label, reason, previous_hash,"
        " entry_hash) VALUES (%s, 99, now(), 'me', 'x', 'x', '1', 'x', '', NULL, %s)",
        [f"incident:{incident.pk}", "0" * 64],
    )


def reopened_phase() -> Statement:
    cycle = make_case().current_cycle
    return (
        "UPDATE incidents_incidentphase SET completed_at = NULL"
        " WHERE cycle_id = %s AND phase = 'detect'",
        [cycle.pk],
    )


def removed_case() -> Statement:
    return "DELETE FROM incidents_postmortem WHERE id = %s", [make_postmortem().pk]


FORBIDDEN = {
    own_signature: "four eyes",
    edited_review: "update|permission denied",
    text_after_submission: "not open for writing",
    gap_in_the_history: "does not continue it",
    reopened_phase: "update",
    removed_case: "delete",
}


def execute(statement: str, parameters: list[object]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def as_owner() -> None:
    """The role that owns the tables: here, the one that tests run with."""


def as_application() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE}")
        call_command("grant_app_role", ROLE)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"SET LOCAL ROLE {ROLE}")


@pytest.mark.parametrize("become", [as_owner, as_application])
@pytest.mark.parametrize("prepare", FORBIDDEN)
def test_nobody_switches_a_trigger_off_by_a_setting(
    prepare: Callable[[], Statement], become: Callable[[], None]
) -> None:
    statement, parameters = prepare()
    names = [
        name
        for model, trigger in pgtrigger.registered()
        for name in (
            trigger.get_pgid(model),
            f"{model._meta.db_table}:{trigger.get_pgid(model)}",
        )
    ]
    become()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('pgtrigger.ignore', %s, true)",
            [f"{{{','.join(names)}}}"],
        )
    with pytest.raises(DatabaseError, match=FORBIDDEN[prepare]):
        execute(statement, parameters)


def test_pgtrigger_itself_cannot_have_one_ignored() -> None:
    statement, parameters = reopened_phase()
    with pgtrigger.ignore(), pytest.raises(DatabaseError, match="update"):
        execute(statement, parameters)


def test_temporary_table_does_not_stand_in_for_the_real_one() -> None:
    statement, parameters = own_signature()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE incidents_postmortemdraft AS"
            " SELECT * FROM public.incidents_postmortemdraft WITH NO DATA;"
            "CREATE TEMPORARY TABLE incidents_postmortemversion AS"
            " SELECT * FROM public.incidents_postmortemversion WITH NO DATA"
        )
    with pytest.raises(DatabaseError, match="four eyes"):
        execute(statement.replace("INTO ", "INTO public."), parameters)


def test_every_trigger_is_firm_in_code_and_database() -> None:
    compiled = [trigger.compile(model) for model, trigger in pgtrigger.registered()]
    assert compiled
    assert {type(trigger.sql) for trigger in compiled} == {FirmTriggerSql}
    assert check_triggers(None, ["default"]) == []


def test_installing_again_keeps_triggers_firm() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    pgtrigger.install()
    assert check_triggers(None, ["default"]) == []


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        (
            "ALTER TABLE incidents_cycle DISABLE TRIGGER {trigger}",
            "ended_stays_ended",
        ),
        ("DROP TRIGGER {trigger} ON incidents_cycle", "ended_stays_ended"),
        (
            "CREATE OR REPLACE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NEW; END'",
            "ended_stays_ended",
        ),
    ],
)
def test_check_reports_a_trigger_that_was_weakened(statement: str, word: str) -> None:
    (trigger,) = [
        trigger.get_pgid(model)
        for model, trigger in pgtrigger.registered("incidents.Cycle:ended_stays_ended")
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement.format(trigger=trigger))
    (error,) = check_triggers(None, ["default"])
    assert error.id == "evidence.E003"
    assert word in error.msg

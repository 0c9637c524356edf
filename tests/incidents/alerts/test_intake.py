"""Taking in alerts: once each, into the right case, with everything recorded."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.accounts.access import PermissionRefused
from evidence.audit.history import incident_stream, verify_stream
from evidence.format import hash_value
from evidence.models import AuditEntry
from incidents.models import (
    Alert,
    AlertAssignment,
    AlertRule,
    Incident,
    TimelineEntry,
    TimelineKind,
)
from incidents.services.alerts.incoming import read_incoming
from incidents.services.lifecycle.editing import edit_incident
from incidents.workflow.errors import AlertError
from incidents.workflow.incident_states import IncidentSource, Severity
from tests.factories import NOON, OUTCOME, make_incident
from tests.incidents.alerts.samples import (
    EXTENSION,
    NOON_MS,
    alert_document,
    make_rules,
    receive,
    receive_one,
)
from tests.shared import share

_kept, rules, _django_db_helper, evidence_folder = share(make_rules)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rules")]
DAY_MS = 86_400_000


def test_alert_opens_a_case_of_its_class() -> None:
    alert = receive_one()
    case = alert.incident
    assert case is not None
    assert alert.decision == "opened"
    assert case.playbook_version.playbook.code == "INC-2"
    assert (case.severity, case.source) == ("critical", "risk_controller")
    assert case.detected_at == NOON
    assert [extension.extension_id for extension in case.extensions.all()] == [
        EXTENSION
    ]
    assert case.opened_by is None


def test_alert_is_kept_as_it_was_sent() -> None:
    document = alert_document(unknown_member={"deep": [1, 2.5, None]})
    row = receive(document)[0].row
    row.refresh_from_db()
    assert row.document == document
    assert row.document_sha256 == hash_value(document)
    assert (row.extension.extension_id, row.call_id) == (EXTENSION, "call-1")
    assert row.happened_at == NOON


def test_repeat_gets_the_first_answer_and_makes_nothing() -> None:
    first = receive(alert_document())[0]
    again = receive(alert_document(), now=NOON + dt.timedelta(hours=1))[0]
    assert (first.created, again.created, again.conflict) == (True, False, False)
    assert again.row.pk == first.row.pk
    assert again.row.decided_incident == first.row.decided_incident
    assert (Alert.objects.count(), Incident.objects.count()) == (1, 1)
    assert AuditEntry.objects.filter(action="alerts.received").count() == 1


def test_same_id_of_another_source_is_another_alert() -> None:
    receive(alert_document())
    other = receive(alert_document(), source=IncidentSource.CI_GATE)[0]
    assert other.created
    assert Alert.objects.count() == 2


def test_same_id_with_other_content_is_told_and_the_first_stays() -> None:
    first = receive(alert_document())[0].row
    answer = receive(alert_document(summary="Something else"))[0]
    assert answer.conflict
    assert not answer.created
    first.refresh_from_db()
    assert first.summary == "A blocklisted variable was read"


def test_repeat_within_one_request_is_taken_in_once() -> None:
    answers = receive(alert_document(), alert_document(), alert_document(summary="?"))
    assert [answer.created for answer in answers] == [True, False, False]
    assert [answer.conflict for answer in answers] == [False, False, True]


def test_alert_of_the_same_extension_and_class_joins() -> None:
    case = receive_one("a").incident
    later = receive_one("b", ts_ms=NOON_MS + DAY_MS)
    assert (later.decision, later.incident) == ("joined", case)


def test_alert_outside_the_window_opens_another_case() -> None:
    case = receive_one("a").incident
    later = receive_one("b", ts_ms=NOON_MS + DAY_MS + 1)
    assert later.decision == "opened"
    assert later.incident != case


@pytest.mark.parametrize(
    "members", [{"extension_id": "ext.other"}, {"category": "ledger_integrity"}]
)
def test_alert_of_another_extension_or_class_opens_its_own(
    members: dict[str, str],
) -> None:
    case = receive_one("a").incident
    assert receive_one("b", **members).incident != case


def test_alert_joins_a_case_that_a_person_opened() -> None:
    case = make_incident(playbook="INC-2", extension_ids=(EXTENSION,))
    assert receive_one().incident == case


def test_alert_never_joins_a_closed_case() -> None:
    case = receive_one("a").incident
    Incident.objects.filter(pk=case.pk).update(
        status="closed_false_alarm",
        closing_reason="r",
        closed_at=NOON,
        **OUTCOME,
    )
    assert receive_one("b").decision == "opened"


def test_unknown_category_is_kept_and_opens_nothing() -> None:
    alert = receive_one(category="something_new", severity="critical")
    assert (alert.decision, alert.incident) == ("kept", None)
    assert not Incident.objects.exists()


def test_tenth_denied_call_opens_the_case_and_the_others_join_it() -> None:
    members = {"category": "policy_violation", "severity": "error"}
    rows = [
        receive_one(f"a{i}", ts_ms=NOON_MS + 60_000 * i, **members) for i in range(10)
    ]
    assert [row.decision for row in rows] == ["kept"] * 9 + ["opened"]
    case = Incident.objects.get()
    assert case.severity == "medium"
    assert case.alerts.count() == 10
    assert AlertAssignment.objects.filter(kind="joined").count() == 9


def test_disabled_rule_opens_nothing() -> None:
    AlertRule.objects.update(is_enabled=False)
    assert receive_one().decision == "kept"


def test_severity_rises_by_an_alert_and_never_falls() -> None:
    members = {"category": "quota_breach"}
    for i in range(5):
        receive_one(f"w{i}", severity="warning", **members)
    case = Incident.objects.get()
    assert case.severity == "low"
    receive_one("e", severity="error", **members)
    case.refresh_from_db()
    assert (case.severity, case.revision) == ("medium", 2)
    receive_one("i", severity="info", **members)
    case.refresh_from_db()
    assert case.severity == "medium"


def test_severity_that_a_person_set_higher_stays(responder: User) -> None:
    case = receive_one("a", category="quota_breach").incident
    edit_incident(
        actor=responder,
        incident_id=case.pk,
        revision=1,
        changes={"severity": Severity.CRITICAL},
    )
    receive_one("b", category="quota_breach")
    case.refresh_from_db()
    assert case.severity == "critical"


def test_clock_that_runs_ahead_opens_no_case_from_the_future() -> None:
    alert = receive_one(ts_ms=NOON_MS + DAY_MS)
    assert alert.incident.detected_at == NOON
    assert alert.happened_at == NOON + dt.timedelta(days=1)


@pytest.mark.parametrize("ts_ms", [0, 253_402_300_799_999])
def test_far_ends_of_time_are_taken_in(ts_ms: int) -> None:
    alert = receive_one(ts_ms=ts_ms)
    assert alert.decision == "opened"
    assert alert.incident.detected_at == NOON


def test_everything_is_recorded() -> None:
    case = receive_one("a").incident
    receive_one("b")
    actions = AuditEntry.objects.filter(stream=incident_stream(case.pk))
    assert list(actions.order_by("sequence").values_list("action", flat=True)) == [
        "incident.opened",
        "alerts.joined",
        "alerts.joined",
    ]
    assert verify_stream(incident_stream(case.pk)) == []
    received = AuditEntry.objects.filter(action="alerts.received")
    assert [entry.after["count"] for entry in received] == [1, 1]
    # Of one group, and so in one stream: their order is told.
    (stream,) = {entry.stream for entry in received}
    assert stream.startswith("intake:")
    assert verify_stream(stream) == []


def test_alerts_that_keep_coming_write_one_timeline_entry_in_ten_minutes() -> None:
    for minute in (0, 5, 9, 11):
        now = NOON + dt.timedelta(minutes=minute)
        receive(alert_document(f"m{minute}"), now=now)
    entries = TimelineEntry.objects.filter(kind=TimelineKind.ALERT)
    assert [entry.entered_at.minute for entry in entries.order_by("id")] == [0, 11]


def test_text_of_an_alert_cannot_break_out_of_the_timeline() -> None:
    receive_one("x` **bold** <script>")
    body = TimelineEntry.objects.get(kind=TimelineKind.ALERT).body
    assert "`x' **bold** <script>`" in body


def test_only_those_who_may_post_alerts_do(
    machine: User, responder: User, auditor: User
) -> None:
    assert receive(alert_document(), actor=machine)[0].created
    for actor in (responder, auditor):
        with pytest.raises(PermissionRefused, match="add alert"):
            receive(alert_document("b"), actor=actor)


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"ts_ms": "now"}, r"\$.ts_ms"),
        ({"severity": "fatal"}, r"\$.severity"),
        ({"extension_id": " "}, r"\$.extension_id"),
        ({"alert_id": "x" * 201}, r"\$.alert_id"),
        ({"summary": "a\x00b"}, r"\$.summary"),
    ],
)
def test_what_is_no_alert_is_refused_with_its_path(
    members: dict[str, object], path: str
) -> None:
    with pytest.raises(AlertError, match=path):
        read_incoming(IncidentSource.CI_GATE, alert_document(**members))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE incidents_alert SET severity = 'info'",
        "DELETE FROM incidents_alert",
        "UPDATE incidents_alertassignment SET reason = 'x'",
        "DELETE FROM incidents_alertassignment",
        "DELETE FROM incidents_alertrule",
    ],
)
def test_database_keeps_what_came_in(statement: str) -> None:
    receive_one()
    with pytest.raises(ProgrammingError, match="Cannot"), transaction.atomic():
        connection.cursor().execute(statement)


def test_database_takes_an_alert_once() -> None:
    alert = receive_one()
    alert.pk = None
    with pytest.raises(IntegrityError, match="alert_once_per_source"):
        alert.save(force_insert=True)


def count_queries(*ids: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        receive(*[alert_document(alert_id) for alert_id in ids])
    return len(queries)


def test_cost_in_queries_does_not_grow_with_the_batch() -> None:
    receive_one("first")
    single = count_queries("a")
    batch = count_queries(*[f"b{i}" for i in range(300)])
    assert single <= 25
    assert batch == single


def test_repeating_a_batch_costs_next_to_nothing() -> None:
    ids = [f"b{i}" for i in range(100)]
    count_queries(*ids)
    assert count_queries(*ids) <= 5

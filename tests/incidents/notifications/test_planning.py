"""Which reminders the poll writes down, when, for whom, and that it costs little."""

import datetime as dt
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction

from evidence.accounts.access import Role
from evidence.errors import PermissionRefused
from evidence.models import AuditEntry
from incidents.errors import TransitionError
from incidents.models import (
    Incident,
    IncidentPhase,
    Notification,
    NotificationKind,
    ReminderCursor,
    Team,
)
from incidents.services.gates.phases import set_remediate_due
from incidents.services.notifications import reminders
from incidents.services.notifications.reminders import (
    LOOK_AHEAD,
    WAKE_PAUSE_SECONDS,
    acknowledge_reminders,
    follow_clocks,
)
from incidents.workflow.phases import Phase
from tests.factories import (
    NOON,
    close_false_alarm,
    make_incident,
    make_playbooks,
    make_user,
)
from tests.incidents.notifications.making import (
    after,
    copy_case,
    people_of,
    phase_of,
    poll,
    rows_named,
)
from tests.incidents.services.test_phases import reach

pytestmark = [pytest.mark.django_db, pytest.mark.long]
SECOND = dt.timedelta(seconds=1)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("minutes", "name"),
    [
        (2.5, "contain:1-2-left"),
        (4, "contain:1-5-left"),
        (5, "contain:breach"),
        (35, "contain:repeat-1"),
        (65, "contain:repeat-2"),
    ],
)
def test_each_reminder_comes_at_its_second(case, minutes, name):
    at = after(minutes=minutes)
    assert name not in poll(at - SECOND)
    assert name in poll(at)
    assert name in poll(at + SECOND)
    assert len(rows_named(name)) == len({row.recipient_id for row in rows_named(name)})


@pytest.mark.parametrize(
    "detected",
    [
        dt.datetime(2026, 3, 28, 18, 0, tzinfo=BERLIN),
        dt.datetime(2026, 10, 24, 18, 0, tzinfo=BERLIN),
    ],
    ids=["the day has 23 hours", "the day has 25 hours"],
)
@pytest.mark.parametrize(
    ("hours", "name"),
    [
        (12, "postmortem:43200s-before"),
        (20, "postmortem:14400s-before"),
        (23, "postmortem:3600s-before"),
        (24, "postmortem:breach"),
        (28, "postmortem:repeat-1"),
    ],
)
def test_postmortem_reminds_to_the_second_over_a_change_of_the_clocks(
    lead, someone_reviewing, detected, hours, name
):
    incident = make_postmortem_case(lead, detected)
    begun = phase_of(incident, "postmortem").counted_from
    # The clocks change within the 24 hours, which are hours all the same.
    day = dt.timedelta(hours=24)
    assert begun.astimezone(BERLIN).utcoffset() != (
        (begun + day).astimezone(BERLIN).utcoffset()
    )
    at = begun + dt.timedelta(hours=hours)
    assert name not in poll(at - SECOND)
    assert name in poll(at)


def make_postmortem_case(lead, detected):
    """Open a case whose POSTMORTEM begins at a moment, the phases before it passed."""
    detected = detected.astimezone(dt.UTC)
    incident = make_incident(actor=lead, lead=lead, detected_at=detected, now=detected)
    for phase in incident.current_cycle.phases.exclude(phase__in=("detect",)):
        if phase.phase == "postmortem":
            phase.counted_from = phase.started_at = detected
            phase.due_at = detected + dt.timedelta(hours=24)
        else:
            phase.started_at = phase.completed_at = detected
        phase.save()
    return incident


@pytest.mark.parametrize(
    "detected",
    [
        dt.datetime(2026, 3, 29, 1, 57, tzinfo=BERLIN),
        dt.datetime(2026, 10, 25, 2, 57, tzinfo=BERLIN),
    ],
    ids=["forward", "back"],
)
def test_containment_is_due_five_minutes_on_while_the_clocks_change(lead, detected):
    start = detected.astimezone(dt.UTC)
    make_incident(actor=lead, lead=lead, detected_at=detected, now=detected)
    due = start + dt.timedelta(minutes=5)
    assert "contain:breach" not in poll(due - SECOND)
    assert "contain:breach" in poll(due)


def test_warnings_go_to_lead_and_team_and_breaches_to_reviewers_too(case):
    team = Team.objects.create(name="blue")
    team.members.add(make_user(username="member"))
    Incident.objects.filter(pk=case.pk).update(team=team)
    make_user(username="somebody else")
    poll(after(minutes=5))
    assert people_of("contain:breach") == {"lead", "member", "reviewer"}


def test_warning_missed_until_the_breach_is_overtaken_by_it(case):
    poll(after(minutes=5))
    assert [(row.state, row.problem) for row in rows_named("contain:1-2-left")] == [
        ("overtaken", "the phase is overdue, which has a message of its own")
    ]


def test_warning_in_time_goes_to_lead_and_team_only(case):
    poll(after(minutes=2.5))
    assert people_of("contain:1-2-left") == {"lead"}


def test_case_that_nobody_has_is_told_to_everybody_who_works_cases():
    for role in Role:
        make_user(role)
    make_user(None)
    make_incident()
    poll(after(minutes=3))
    assert people_of("contain:1-2-left") == {"responder", "reviewer"}


def test_inactive_people_are_not_told(case, lead):
    lead.is_active = False
    lead.save()
    make_user(username="colleague")
    poll(after(minutes=3))
    assert people_of("contain:1-2-left") == {"colleague", "reviewer"}


def test_phase_that_has_not_begun_does_not_repeat_but_its_breach_is_told(case):
    sent = poll(after(minutes=50))
    assert "collect:breach" in sent
    assert "contain:repeat-1" in sent
    assert not [name for name in sent if name.startswith("collect:repeat")]


def test_missed_repeats_are_sent_once(case):
    sent = poll(after(hours=3))
    repeats = [name for name in sent if name.startswith("contain:repeat")]
    assert repeats == ["contain:repeat-5"]
    assert poll(after(hours=3, minutes=4)) == sent


def test_completing_the_phase_ends_its_reminders(case):
    reach(case, Phase.COLLECT)
    assert not [name for name in poll(after(minutes=14)) if name.startswith("contain")]


def test_breach_of_a_phase_completed_meanwhile_is_told_all_the_same(case):
    IncidentPhase.objects.filter(cycle=case.current_cycle, phase="contain").update(
        completed_at=after(minutes=6)
    )
    sent = poll(after(minutes=7))
    assert sent == ["contain:breach"]
    assert "Completed: 2026-03-10 12:06:00 UTC" in rows_named("contain:breach")[0].body


def test_closing_the_case_ends_its_reminders(case):
    close_false_alarm(case, reason="a drill", now=after(minutes=1))
    assert poll(after(hours=5)) == []


def test_message_that_waits_while_its_case_is_closed_is_overtaken(case):
    follow_clocks(now=after(minutes=2.5))
    close_false_alarm(case, reason="a drill", now=after(minutes=2.6))
    poll(after(minutes=3))
    row = rows_named("contain:1-2-left")[0]
    assert (row.state, row.problem) == ("overtaken", "the case was closed")


def test_new_due_time_makes_new_reminders(case, lead):
    reach(case, Phase.REMEDIATE)
    for hours in (10, 20):
        set_remediate_due(
            actor=lead,
            incident_id=case.pk,
            due_at=after(hours=hours),
            reason="the vendor says so",
            now=after(minutes=2),
        )
        poll(after(hours=hours / 2, minutes=5))
    assert len(rows_named("remediate:1-2-left")) == 2


def test_warning_whose_due_time_was_moved_is_overtaken(case, lead):
    reach(case, Phase.REMEDIATE)
    fields = {"actor": lead, "incident_id": case.pk, "reason": "so", "now": NOON}
    set_remediate_due(due_at=after(hours=10), **fields)
    follow_clocks(now=after(hours=6))
    set_remediate_due(due_at=after(hours=40), **fields)
    poll(after(hours=6, minutes=1))
    row = rows_named("remediate:1-2-left")[0]
    assert (row.state, row.problem) == ("overtaken", "another due time was set")


class TestAcknowledging:
    def acknowledge(self, case, *, minutes=6, actor=None):
        return acknowledge_reminders(
            actor=actor or make_user(username="lead"),
            incident_id=case.pk,
            phase=Phase.CONTAIN,
            now=after(minutes=minutes),
        )

    def test_it_holds_repeats_back_for_an_hour_and_they_start_again(self, case):
        assert "contain:breach" in poll(after(minutes=5))
        self.acknowledge(case, minutes=6)
        assert "contain:repeat-1" not in poll(after(minutes=36))
        assert "contain:repeat-2" not in poll(after(minutes=65.5))
        assert "contain:repeat-3" in poll(after(minutes=95))
        assert rows_named("contain:repeat-1") == rows_named("contain:repeat-2") == []

    def test_it_never_holds_back_the_breach_of_another_phase(self, case):
        self.acknowledge(case)
        assert "collect:breach" in poll(after(minutes=15))

    def test_repeat_that_waits_while_somebody_acknowledges_is_overtaken(self, case):
        follow_clocks(now=after(minutes=35))
        self.acknowledge(case, minutes=35.5)
        poll(after(minutes=36))
        row = rows_named("contain:repeat-1")[0]
        assert (row.state, row.problem) == ("overtaken", "somebody acknowledged it")

    def test_it_is_in_the_timeline_and_the_history(self, case):
        self.acknowledge(case)
        entry = AuditEntry.objects.get(action="reminder.acknowledged")
        assert entry.actor_name == "lead"
        assert case.timeline.filter(body__contains="acknowledged").count() == 1

    def test_phase_that_is_not_overdue_cannot_be_acknowledged(self, case):
        with pytest.raises(TransitionError, match="is not overdue"):
            self.acknowledge(case, minutes=4)

    @pytest.mark.parametrize(
        "role", [Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None]
    )
    def test_only_those_who_work_cases_acknowledge(self, case, role):
        with pytest.raises(PermissionRefused, match="“work incidents"):
            self.acknowledge(case, actor=make_user(role))


def test_polling_costs_the_same_queries_for_few_cases_and_for_many(
    lead, someone_reviewing, django_assert_num_queries
):
    incident = make_incident(actor=lead, lead=lead)
    for count in (3, 60):
        copy_case(incident, count)
        with django_assert_num_queries(QUERIES_OF_A_BUSY_POLL):
            assert follow_clocks(now=after(minutes=4)) >= count * 2
        with django_assert_num_queries(QUERIES_OF_A_QUIET_POLL):
            assert follow_clocks(now=after(minutes=4, seconds=30)) == 0


QUERIES_OF_A_QUIET_POLL = 6
"""Settings, new clocks, those that owe something, the next moment, a savepoint's 2."""
QUERIES_OF_A_BUSY_POLL = 16


@pytest.mark.django_db(transaction=True)
def test_two_polls_at_once_write_each_message_once():
    make_user(Role.REVIEWER)
    versions = make_playbooks()
    for _ in range(20):
        make_incident(
            actor=make_user(), lead=make_user(), playbook_version=versions["INC-2"]
        )
    start = threading.Barrier(4)

    def run(_: int) -> int:
        try:
            start.wait()
            return follow_clocks(now=after(minutes=6))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    breaches = Notification.objects.filter(kind=NotificationKind.BREACH)
    assert breaches.count() == 20 * 2


@pytest.mark.django_db(transaction=True)
def test_poll_leaves_cursors_that_another_poll_holds():
    make_user(Role.REVIEWER)
    incident = make_incident(actor=make_user(), lead=make_user())
    follow_clocks(now=after(minutes=1))
    found = []

    def run() -> None:
        try:
            found.append(follow_clocks(now=after(minutes=3)))
        finally:
            connection.close()

    with transaction.atomic():
        held = ReminderCursor.objects.select_for_update().get(
            phase=phase_of(incident, "contain")
        )
        assert held.next_at == after(minutes=2.5)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(10)
        assert found == [0]
    assert follow_clocks(now=after(minutes=3)) == 1


def test_what_is_owed_for_longest_is_planned_first(
    case, lead, monkeypatch, django_capture_on_commit_callbacks
):
    """Whatever begins in a burst, nobody waits behind it who waits already.

    Nor where a run's time is up after the first batch, and another run goes on.
    """
    copy_case(case, 20)
    follow_clocks(now=after(minutes=1))
    assert not ReminderCursor.objects.due(after(minutes=1)).exists()
    last = phase_of(Incident.objects.latest("pk"), "contain")
    ReminderCursor.objects.filter(phase=last).update(next_at=after(minutes=2))
    with monkeypatch.context() as patch, django_capture_on_commit_callbacks() as left:
        patch.setattr(reminders, "PLAN_BATCH", 1)
        take_seconds(patch, reminders.RUN_SECONDS - 1)
        assert follow_clocks(now=after(minutes=2.5)) == 1
    assert Notification.objects.get().phase == last
    until = (after(minutes=2.5) + LOOK_AHEAD).timestamp()
    queued = [one.args for one in left if isinstance(one, partial)]
    assert ("incidents.plan_reminders", [until]) in queued
    assert follow_clocks(now=after(minutes=2.5)) == 20


def take_seconds(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have so many seconds pass each time that planning looks at its clock."""
    ticks = itertools.count(0.0, seconds)
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr(reminders, "time", clock)


class TestWakingUp:
    """The scheduler asks every ten seconds; what is owed between is told in time.

    CONTAIN is half over after two minutes and a half.
    """

    @pytest.fixture(autouse=True)
    def followed(self, case):
        follow_clocks(now=after(minutes=1))

    @pytest.fixture
    def follow(self, django_capture_on_commit_callbacks):
        def run(now: dt.datetime, **options: float) -> list[tuple[Any, ...]]:
            """Return the runs that are queued: until when, and after how long."""
            with django_capture_on_commit_callbacks() as callbacks:
                follow_clocks(now=now, **options)
            queued = [one for one in callbacks if isinstance(one, partial)]
            return [
                (*one.args[1], one.keywords["countdown"])
                for one in queued
                if one.args[0] == "incidents.plan_reminders"
            ]

        return run

    def test_run_is_queued_for_the_moment_of_a_reminder(self, follow):
        now = after(minutes=2.5) - 7 * SECOND
        until = (now + LOOK_AHEAD).timestamp()
        assert follow(now) == [(until, 7 + WAKE_PAUSE_SECONDS)]

    def test_none_is_queued_where_nothing_is_owed_soon(self, follow):
        assert follow(after(minutes=2.5) - 11 * SECOND) == []

    def test_run_that_is_woken_plans_what_is_owed_and_ends_with_its_time(self, follow):
        now = after(minutes=2.5)
        until = (now + 3 * SECOND).timestamp()
        assert follow(now + SECOND / 2, until=until) == []
        assert len(rows_named("contain:1-2-left")) == 1

    def test_it_wakes_the_next_within_its_time(self, case, follow):
        copy_case(case, 1)
        follow_clocks(now=after(minutes=1))
        other = phase_of(Incident.objects.latest("pk"), "contain")
        later = after(minutes=2.5) + 2 * SECOND
        ReminderCursor.objects.filter(phase=other).update(next_at=later)
        now = after(minutes=2.5)
        until = (now + 3 * SECOND).timestamp()
        assert follow(now, until=until) == [(until, 2 + WAKE_PAUSE_SECONDS)]

    def test_none_is_queued_for_a_case_that_is_closed(self, case, follow):
        close_false_alarm(case, now=after(minutes=2))
        assert follow(after(minutes=2.5) - 7 * SECOND) == []

    def test_message_of_a_broker_that_was_away_for_long_wakes_nobody(self, follow):
        until = after(minutes=1).timestamp()
        assert follow(after(minutes=2.5) - 7 * SECOND, until=until) == []

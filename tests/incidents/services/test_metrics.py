"""Response times from the phases that were completed, held against plain arithmetic."""

import datetime as dt
import math
import random

import pytest
from django.contrib.auth.models import AnonymousUser

from incidents.models import Incident, IncidentPhase
from incidents.services.metrics import read_ages, read_figures, read_weeks
from incidents.workflow.incident_states import Severity
from incidents.workflow.phases import Phase
from tests.factories import NOON, make_incident, make_user
from tests.incidents.services.test_phases import pass_with_waivers

pytestmark = pytest.mark.django_db
LATER = NOON + dt.timedelta(days=40)


def contained(**fields):
    incident = make_incident(**fields)
    pass_with_waivers(incident, Phase.CONTAIN)
    return incident


def took(seconds, phase="contain", **fields):
    """Open a case whose phase took so long."""
    incident = make_incident(**fields)
    row = IncidentPhase.objects.get(cycle__incident=incident, phase=phase)
    begun = row.counted_from
    done = begun + dt.timedelta(seconds=seconds)
    IncidentPhase.objects.filter(pk=row.pk).update(started_at=begun, completed_at=done)
    return incident


def figures_of(phase=Phase.CONTAIN, *, now=NOON, **options):
    visible = Incident.objects.visible_to(make_user())
    found = read_figures(incidents=visible, now=now, **{"groups": (), **options})
    return [figures for figures in found if figures.group.phase is phase]


def test_figures_come_with_their_sample_size_by_month_class_and_severity():
    contained(playbook="INC-2")
    contained(playbook="INC-2", detected_at=NOON - dt.timedelta(minutes=2))
    contained(playbook="INC-3", severity=Severity.CRITICAL)
    figures = figures_of(groups=("month", "class", "severity"))
    assert [
        (
            *(cell.group.month, cell.group.playbook_code, cell.group.severity),
            cell.sample_size,
        )
        for cell in figures
    ] == [("2026-03", "INC-2", "high", 2), ("2026-03", "INC-3", "critical", 1)]
    assert figures[0].median == dt.timedelta(minutes=2)
    assert figures[0].percentile_90 == dt.timedelta(minutes=3)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11])
def test_median_and_nearest_rank(count):
    chosen = random.Random(count)
    lengths = [chosen.randint(0, 900) for _ in range(count)]
    for seconds in lengths:
        took(seconds)
    (figures,) = figures_of()
    ordered = sorted(lengths)
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    assert figures.sample_size == count
    assert figures.median == dt.timedelta(seconds=middle)
    rank = math.ceil(0.9 * count)
    assert figures.percentile_90 == dt.timedelta(seconds=ordered[rank - 1])


def test_month_is_that_of_utc():
    tokyo = dt.timezone(dt.timedelta(hours=9))
    took(60, detected_at=dt.datetime(2026, 3, 1, 3, 0, tzinfo=tokyo))
    (figures,) = figures_of(groups=("month",))
    assert figures.group.month == "2026-02"


def test_completed_before_the_event_counts_as_no_time():
    took(-60)
    (figures,) = figures_of()
    assert figures.median == dt.timedelta(0)


def test_limit_is_kept_to_the_second_and_breached_after_it():
    took(299)
    took(300)
    took(301)
    (figures,) = figures_of()
    assert figures.limit == dt.timedelta(minutes=5)
    assert (figures.judged_count, figures.within_count) == (3, 2)
    assert figures.breach_count == 1
    assert figures.within_share == pytest.approx(2 / 3)


def test_what_runs_counts_once_it_is_late():
    make_incident()
    assert figures_of(now=NOON + dt.timedelta(minutes=5)) == []
    (figures,) = figures_of(now=NOON + dt.timedelta(minutes=6))
    assert (figures.sample_size, figures.median, figures.percentile_90) == (
        *(0, None),
        None,
    )
    assert (figures.judged_count, figures.breach_count) == (1, 1)


def test_late_phases_of_the_list_are_those_of_the_figures():
    took(299)
    took(301)
    make_incident()
    now = NOON + dt.timedelta(hours=1)
    late = IncidentPhase.objects.filter(phase="contain").late(now)
    (figures,) = figures_of(now=now)
    assert late.count() == figures.breach_count == 2


def test_detection_lasts_from_the_event_to_its_report():
    make_incident(detected_at=NOON - dt.timedelta(minutes=7))
    (figures,) = figures_of(Phase.DETECT)
    assert figures.median == dt.timedelta(minutes=7)
    assert figures.within_share is None
    assert figures.limit is None


def test_old_cases_are_left_out_and_hidden_ones_never_counted():
    contained()
    everybody = Incident.objects.visible_to(make_user())
    outsider = Incident.objects.visible_to(AnonymousUser())
    later = NOON + dt.timedelta(days=1)
    assert read_figures(incidents=everybody, since=later) == ()
    assert read_figures(incidents=outsider) == ()
    assert read_weeks(incidents=outsider, since=NOON - dt.timedelta(days=9)) == ()
    assert sum(age.case_count for age in read_ages(incidents=outsider)) == 0


def test_cases_are_counted_by_class_and_week():
    sunday = dt.datetime(2026, 3, 8, 23, 59, tzinfo=dt.UTC)
    monday = dt.datetime(2026, 3, 9, 0, 0, tzinfo=dt.UTC)
    for moment, playbook in ((sunday, "INC-2"), (monday, "INC-2"), (monday, "INC-3")):
        make_incident(playbook=playbook, detected_at=moment, now=moment)
    counts = read_weeks(
        incidents=Incident.objects.all(), since=sunday - dt.timedelta(days=1)
    )
    assert [
        (f"{week.monday}", week.playbook_code, week.case_count) for week in counts
    ] == [
        ("2026-03-02", "INC-2", 1),
        ("2026-03-09", "INC-2", 1),
        ("2026-03-09", "INC-3", 1),
    ]


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "Under 1 day"),
        (0.99, "Under 1 day"),
        (1, "1 to 7 days"),
        (7, "7 to 30 days"),
        (30, "30 to 90 days"),
        (89.9, "30 to 90 days"),
        (90, "90 days and more"),
        (4000, "90 days and more"),
    ],
)
def test_open_cases_are_counted_by_age(days, words):
    make_incident()
    ages = read_ages(
        incidents=Incident.objects.all(), now=NOON + dt.timedelta(days=days)
    )
    assert [age.group.words for age in ages if age.case_count] == [words]


def test_each_table_costs_one_query(django_assert_num_queries):
    contained()
    visible = Incident.objects.visible_to(make_user())
    with django_assert_num_queries(1):
        read_figures(incidents=visible)
    with django_assert_num_queries(1):
        read_weeks(incidents=visible, since=NOON)
    with django_assert_num_queries(1):
        read_ages(incidents=visible)

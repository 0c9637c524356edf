"""Response times from the phases that were completed."""

import datetime as dt

import pytest
from django.contrib.auth.models import AnonymousUser

from incidents.models import Incident
from incidents.services.metrics import read_figures
from incidents.workflow.incident_states import Severity
from incidents.workflow.phases import Phase
from tests.factories import NOON, make_incident, make_user
from tests.incidents.services.test_phases import pass_with_waivers

pytestmark = pytest.mark.django_db


def contained(**fields):
    incident = make_incident(**fields)
    pass_with_waivers(incident, Phase.CONTAIN)


def test_figures_come_with_their_sample_size_by_month_class_and_severity():
    contained(playbook="INC-2")
    contained(playbook="INC-2", detected_at=NOON - dt.timedelta(minutes=2))
    contained(playbook="INC-3", severity=Severity.CRITICAL)
    visible = Incident.objects.visible_to(make_user())
    figures = read_figures(incidents=visible)
    assert [
        (
            figure.group.month,
            figure.group.playbook_code,
            figure.group.severity,
            figure.sample_size,
        )
        for figure in figures
    ] == [("2026-03", "INC-2", "high", 2), ("2026-03", "INC-3", "critical", 1)]
    assert figures[0].median == dt.timedelta(minutes=2)
    assert figures[0].percentile_90 == dt.timedelta(minutes=3)


def test_old_cases_are_left_out_and_hidden_ones_never_counted():
    contained()
    everybody = Incident.objects.visible_to(make_user())
    outsider = Incident.objects.visible_to(AnonymousUser())
    later = NOON + dt.timedelta(days=1)
    assert read_figures(incidents=everybody, since=later) == ()
    assert read_figures(incidents=outsider) == ()


def test_reading_costs_one_query(django_assert_num_queries):
    contained()
    visible = Incident.objects.visible_to(make_user())
    with django_assert_num_queries(1):
        read_figures(incidents=visible)

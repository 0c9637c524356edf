"""What ended stands still on every page, and a case is closed by its form."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from django.test import Client

from evidence.accounts.access import Role
from incidents.models import Incident
from incidents.phase_views import view_phase
from incidents.services.lifecycle.closing import close_incident
from incidents.workflow.incident_states import IncidentStatus
from tests.factories import OUTCOME, make_outcome, make_user
from tests.incidents.admin.test_cycle_pages import (
    LATER,
    LIST,
    do,
    end_as_duplicate,
    end_as_false_alarm,
    page,
    reopen,
    words,
)
from tests.incidents.ready import make_ready
from tests.shared import share

pytestmark = pytest.mark.long

Cases = Mapping[str, Incident]


def end_by_the_book() -> Incident:
    incident = make_ready()
    close_incident(
        actor=make_user(),
        incident_id=incident.pk,
        outcome=make_outcome(),
        lead=make_user(),
        now=LATER,
    )
    return incident


def make_cases() -> Cases:
    return {
        "closed": end_by_the_book(),
        "duplicate": end_as_duplicate(),
        "false alarm": end_as_false_alarm(),
        "ready": make_ready(),
    }


_kept, cases, _django_db_helper, evidence_folder = share(make_cases)


@pytest.fixture
def reviewer(client: Client, cases: Cases) -> Client:
    client.force_login(make_user(Role.REVIEWER))
    return client


class TestEndedClocks:
    """The cases ended in March; a clock that ran on would be months overdue."""

    @pytest.fixture(params=("closed", "duplicate", "false alarm"))
    def ended(self, request: pytest.FixtureRequest, cases: Cases) -> Incident:
        return Incident.objects.get(pk=cases[request.param].pk)

    @staticmethod
    def require_still(html: str, incident: Incident, number: int = 1) -> None:
        phases = incident.cycles.get(number=number).phases.all()
        for phase in phases:
            then = view_phase(phase, LATER, is_live=False)
            assert then.words in words(html)
        assert "data-due" not in html
        assert "data-digits" not in html

    def test_page_shows_them_as_they_stood(
        self, reviewer: Client, ended: Incident
    ) -> None:
        self.require_still(page(reviewer, ended), ended)

    def test_first_cycle_of_a_reopened_case_shows_them_as_they_stood(
        self, reviewer: Client, ended: Incident
    ) -> None:
        reopen(ended)
        html = page(reviewer, ended, "?cycle=1")
        self.require_still(html, ended)
        assert "The case can be closed" not in html
        assert "This cycle has ended and stays as it was" in html
        assert "data-due" in page(reviewer, ended)

    def test_list_counts_none(self, reviewer: Client, ended: Incident) -> None:
        html = reviewer.get(f"{LIST}?q={ended.reference}").content.decode()
        assert ended.reference in html
        assert "data-due" not in html
        assert "overdue" not in html

    def test_dashboard_shows_none(self, reviewer: Client, ended: Incident) -> None:
        Incident.objects.filter(pk=ended.pk).update(lead=make_user(Role.REVIEWER))
        dashboard = reviewer.get("/admin/").context["dashboard"]
        shown = [case for _, column in dashboard["columns"] for case, _ in column]
        assert ended not in shown
        assert ended not in [case for case, _ in dashboard["mine"]]

    def test_breached_filter_leaves_them_out(
        self, reviewer: Client, ended: Incident
    ) -> None:
        rows = reviewer.get(f"{LIST}?breached=yes").context["cl"].result_list
        assert ended not in list(rows)


class TestClosingForm:
    @pytest.fixture
    def ready(self, cases: Cases) -> Incident:
        return cases["ready"]

    def test_it_asks_for_outcome_impact_and_lead(
        self, reviewer: Client, ready: Incident
    ) -> None:
        html = page(reviewer, ready)
        form = re.search(r'<form[^>]*do/close/".*?</form>', html, re.S)
        assert form is not None
        for name in (*OUTCOME, "recoverability", "lead"):
            assert f'name="{name}"' in form[0]

    def test_refused_it_comes_back_filled_with_every_fault(
        self, reviewer: Client, ready: Incident
    ) -> None:
        answer = do(reviewer, ready, "close", information_impact="none")
        form = answer.context["places"].refused.form
        assert {"resolution", "functional_impact", "lead"} <= set(form.errors)
        assert form["information_impact"].value() == "none"
        assert Incident.objects.get(pk=ready.pk).is_open

    def test_it_closes_and_the_page_says_what_it_was(
        self, reviewer: Client, ready: Incident
    ) -> None:
        answer = do(
            reviewer,
            ready,
            "close",
            resolution="true_positive",
            functional_impact="high",
            information_impact="privacy_breach",
            lead=make_user().pk,
        )
        html = words(answer.content.decode())
        assert "Turned out to be True positive" in html
        assert "Functional impact High" in html
        assert "Led by responder" in html
        assert Incident.objects.get(pk=ready.pk).status == IncidentStatus.CLOSED

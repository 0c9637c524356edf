"""A case is closed with what it was, what it did and who led it; that stays known."""

import datetime as dt

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from evidence.accounts.access import Role
from incidents.errors import IncidentError
from incidents.models import CycleEnding, Incident
from incidents.services.lifecycle.closing import (
    close_as_duplicate,
    close_as_false_alarm,
    reopen_incident,
)
from incidents.services.lifecycle.editing import edit_incident
from incidents.services.metrics import read_figures
from incidents.services.postmortems.case_facts import gather_case_facts
from incidents.workflow.errors import OutcomeError
from incidents.workflow.incident_states import Severity
from incidents.workflow.outcomes import Resolution, read_outcome
from incidents.workflow.phases import Phase
from tests.factories import (
    NOON,
    close_false_alarm,
    make_evidence,
    make_incident,
    make_outcome,
    make_user,
)
from tests.incidents.services.test_phases import reach

pytestmark = pytest.mark.long

LATER = NOON + dt.timedelta(hours=1)
LATEST = NOON + dt.timedelta(hours=2)
TRUE = {
    "resolution": "true_positive",
    "functional_impact": "high",
    "information_impact": "privacy_breach",
    "recoverability": "extended",
}


def reopen(incident: Incident):
    return reopen_incident(
        actor=make_user(Role.REVIEWER),
        incident_id=incident.pk,
        reason="it was real",
        now=LATER,
    )


def duplicate(copy: Incident, original: Incident):
    return close_as_duplicate(
        actor=make_user(Role.REVIEWER),
        incident_id=copy.pk,
        original=original.reference,
        reason="the same call",
        now=LATER,
    )


def last_line(incident: Incident) -> str:
    return incident.timeline.order_by("-id")[0].body


@pytest.mark.parametrize("missing", ["resolution", "functional_impact"])
def test_outcome_that_lacks_what_is_asked_is_refused(missing):
    with pytest.raises(OutcomeError, match=f"{missing.replace('_', ' ')}: choose"):
        read_outcome(**{**TRUE, missing: ""})


def test_everything_amiss_in_an_outcome_is_named_at_once():
    with pytest.raises(OutcomeError) as refused:
        read_outcome(
            resolution="odd",
            functional_impact="",
            information_impact="leak",
            recoverability="never",
        )
    said = refused.value.message
    assert all(
        field in said
        for field in ("resolution", "functional", "information", "recoverability")
    )


def test_recoverability_may_be_unknown():
    outcome = read_outcome(**{**TRUE, "recoverability": ""})
    assert outcome.recoverability is None
    assert outcome.words == (
        "True positive, functional impact high, information impact privacy breach"
    )


@pytest.mark.django_db
def test_true_positive_is_no_false_alarm():
    with pytest.raises(OutcomeError, match="no false alarm"):
        close_as_false_alarm(
            actor=make_user(Role.REVIEWER),
            incident_id=make_incident().pk,
            outcome=make_outcome(resolution=Resolution.TRUE_POSITIVE),
            lead=make_user(),
            reason="noise",
        )


@pytest.mark.django_db
def test_false_alarm_without_a_lead_stays_open():
    with pytest.raises(IncidentError, match="has no lead"):
        close_as_false_alarm(
            actor=make_user(Role.REVIEWER),
            incident_id=make_incident().pk,
            outcome=make_outcome(),
            reason="noise",
        )


@pytest.mark.django_db
class TestDatabase:
    @pytest.mark.parametrize(
        "values",
        [
            {"resolution": ""},
            {"functional_impact": ""},
            {"information_impact": ""},
            {"resolution": "odd"},
            {"recoverability": "odd"},
            {"resolution": "true_positive"},
        ],
    )
    def test_false_alarm_keeps_a_whole_outcome(self, values):
        incident = close_false_alarm(make_incident())
        with pytest.raises(IntegrityError), transaction.atomic():
            Incident.objects.filter(pk=incident.pk).update(**values)

    def test_open_case_has_no_outcome(self):
        incident = make_incident()
        with pytest.raises(IntegrityError), transaction.atomic():
            Incident.objects.filter(pk=incident.pk).update(resolution="benign")

    def test_ending_is_never_rewritten(self):
        close_false_alarm(make_incident())
        with pytest.raises(DatabaseError, match="append"), transaction.atomic():
            CycleEnding.objects.update(reason="another")


@pytest.mark.django_db
class TestEndedCycle:
    def test_reopened_case_has_no_outcome_and_its_cycle_keeps_one(self):
        incident = close_false_alarm(make_incident())
        reopen(incident)
        incident = Incident.objects.get(pk=incident.pk)
        assert incident.outcome is None
        ending = incident.cycles.get(number=1).ending
        assert ending.outcome.resolution is Resolution.FALSE_POSITIVE
        assert (ending.reason, ending.lead) == ("noise", make_user(Role.REVIEWER))

    def test_what_the_postmortem_said_of_it_changes_no_more(self):
        incident = make_incident(lead=make_user())
        bundle = make_evidence(incident)
        cycle = incident.current_cycle
        close_false_alarm(incident, now=LATER)
        cycle.refresh_from_db()
        before = self.facts(incident, cycle)
        reopen(incident)
        make_evidence(incident, vector="tampered-head-tail", now=LATEST)
        self.edit(incident, title="Another title", severity=Severity.CRITICAL)
        assert self.facts(Incident.objects.get(pk=incident.pk), cycle) == before
        assert [evidence["id"] for evidence in before["evidence"]] == [bundle.pk]

    def test_its_phases_are_measured_as_what_the_case_was_then(self):
        incident = make_incident(lead=make_user(), severity=Severity.HIGH)
        reach(incident, Phase.COLLECT)
        close_false_alarm(incident, now=LATER)
        reopen(incident)
        self.edit(incident, severity=Severity.CRITICAL)
        (figures,) = [
            figures
            for figures in read_figures(incidents=Incident.objects.all())
            if figures.group.phase is Phase.CONTAIN and figures.sample_size
        ]
        assert figures.group.severity == Severity.HIGH

    @staticmethod
    def facts(incident, cycle):
        facts = gather_case_facts(incident, cycle, now=LATER)
        return {key: facts[key] for key in facts if key != "gathered_at"}

    @staticmethod
    def edit(incident, **changes):
        incident = Incident.objects.get(pk=incident.pk)
        edit_incident(
            actor=make_user(),
            incident_id=incident.pk,
            revision=incident.revision,
            changes=changes,
            reason="more is known",
        )


@pytest.mark.django_db
class TestDuplicates:
    def test_original_hears_of_its_duplicate(self):
        original, copy = make_incident(), make_incident()
        duplicate(copy, original)
        assert last_line(original).startswith(
            f"**{copy.reference} was closed as a duplicate of this case**"
        )
        assert "the same call" in last_line(original)

    def test_duplicate_needs_no_outcome_of_its_own(self):
        original, copy = make_incident(), make_incident()
        assert duplicate(copy, original).outcome is None

    def test_false_alarm_takes_its_duplicates_along_over_every_step(self):
        original, copy, second = (make_incident() for _ in range(3))
        duplicate(copy, original)
        duplicate(second, copy)
        close_false_alarm(original, reason="a probe of ours")
        for case in (copy, second):
            assert f"The original {original.reference}" in last_line(case)
            assert "false alarm" in last_line(case)
            assert "a probe of ours" in last_line(case)

    def test_duplicates_hear_when_their_original_opens_again(self):
        original, copy = make_incident(), make_incident()
        duplicate(copy, original)
        close_false_alarm(original)
        reopen(original)
        assert f"{original.reference} was opened again" in last_line(copy)

    def test_original_hears_when_its_duplicate_opens_again(self):
        original, copy = make_incident(), make_incident()
        duplicate(copy, original)
        reopen(copy)
        assert f"{copy.reference} is a duplicate of this case no longer" in last_line(
            original
        )

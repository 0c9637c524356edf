"""Kill switches as cases see them: one outcome for every door, green once confirmed."""

import datetime as dt

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.audit.history import incident_stream
from evidence.models import AuditEntry, TokenScope
from incidents.errors import TransitionError
from incidents.models import Incident
from incidents.services.gates.conditions import read_gate, state_condition
from incidents.services.gates.phases import complete_phase
from incidents.services.lifecycle.aftermath import Aftermath
from incidents.services.lifecycle.closing import (
    close_as_duplicate,
    close_as_false_alarm,
    close_incident,
)
from incidents.services.lifecycle.opening import note_extensions
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.phases import Phase
from policy.models import Extension, KillSwitch, LiftRequest, PromotionRequest
from policy.services.kill_switches import (
    activate_kill_all,
    activate_kill_switch,
    confirm_kill_switch,
    hold_newcomers,
)
from policy.services.lifts import approve_lift, request_lift
from tests.api.conftest import make_client
from tests.factories import (
    NOON,
    close_false_alarm,
    make_incident,
    make_outcome,
    make_user,
)
from tests.incidents.postmortem.cases import make_signed
from tests.incidents.services.test_phases import pass_with_waivers, reach

pytestmark = [pytest.mark.django_db, pytest.mark.long]
LATER = NOON + dt.timedelta(minutes=2)
KILL = ConditionKey.EXTENSION_KILLED


@pytest.fixture
def incident() -> Incident:
    return make_incident()


def kill(
    incident: Incident, extension: Extension | None = None, **fields
) -> KillSwitch:
    return activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=(extension or incident.extensions.get()).pk,
        reason="It reads secrets.",
        actor=fields.pop("actor", None) or make_user(),
        now=LATER,
    )


def kill_all(incident: Incident) -> KillSwitch:
    return activate_kill_all(
        incident_id=incident.pk,
        typed_reference=incident.reference,
        reason="Everything burns.",
        actor=make_user(),
        now=LATER,
    )


def confirm(switch: KillSwitch) -> None:
    confirm_kill_switch(
        kill_switch_id=switch.pk,
        means="All denied.",
        actor=make_user(),
        now=LATER + dt.timedelta(minutes=1),
    )


def kill_condition(incident: Incident):
    case = Incident.objects.get(pk=incident.pk)
    phase = case.current_cycle.phases.get(phase=Phase.CONTAIN)
    return next(
        condition
        for condition in read_gate(case, phase).conditions
        if condition.key == KILL
    )


def kill_item(incident: Incident) -> str:
    return incident.current_cycle.checklist.get(key="kill-extension").state


class TestOrderAndConfirmation:
    def test_order_is_not_met_and_says_so(self, incident):
        kill(incident)
        condition = kill_condition(incident)
        assert (condition.met, condition.is_ordered) == (False, True)
        assert condition.detail.startswith("ordered, not confirmed: ext.weather")
        assert kill_item(incident) == "open"

    def test_confirmation_turns_it_green_and_answers_the_item(self, incident):
        confirm(kill(incident))
        condition = kill_condition(incident)
        assert (condition.met, condition.is_ordered) == (True, False)
        assert kill_item(incident) == "done"

    def test_one_of_two_extensions_is_not_the_case(self):
        incident = make_incident(extension_ids=("ext.a", "ext.b"))
        confirm(kill(incident, Extension.objects.get(extension_id="ext.a")))
        assert not kill_condition(incident).met
        assert kill_item(incident) == "open"
        confirm(kill(incident, Extension.objects.get(extension_id="ext.b")))
        assert kill_condition(incident).met
        assert kill_item(incident) == "done"

    def test_contain_waits_for_the_confirmation_or_a_reason_that_shows(self, incident):
        kill(incident)
        actor = make_user()
        state_condition(
            actor=actor,
            incident_id=incident.pk,
            condition=ConditionKey.ISOLATION_VERIFIED,
            statement="Looked at the network.",
        )
        refused = complete_phase(
            actor=actor, incident_id=incident.pk, phase=Phase.CONTAIN
        )
        assert [condition.key for condition in refused.failed] == [KILL]
        state_condition(
            actor=actor,
            incident_id=incident.pk,
            condition=KILL,
            statement="The host is off: nobody can confirm.",
        )
        passed = complete_phase(
            actor=actor, incident_id=incident.pk, phase=Phase.CONTAIN
        )
        assert passed.passed
        assert [condition.key for condition in passed.ordered] == [KILL]
        assert kill_condition(incident).is_ordered, "a kept gate says so for ever"
        body = incident.timeline.get(body__contains="CONTAIN complete").body
        assert "on an order that is not confirmed" in body
        assert "The host is off" in body

    def test_lift_takes_the_green_away(self, incident):
        switch = kill(incident)
        confirm(switch)
        request = request_lift(
            kill_switch_id=switch.pk, reason="Wrong one.", actor=make_user()
        )
        reviewer = make_user(Role.REVIEWER)
        approve_lift(request_id=request.pk, actor=reviewer, exception="Wrong one.")
        assert not kill_condition(incident).met


class TestOneDoor:
    """From the case, the extension's page and the API, each order has one outcome."""

    def outcome(self, incident: Incident) -> tuple:
        case = Incident.objects.get(pk=incident.pk)
        actions = AuditEntry.objects.filter(
            stream=incident_stream(case.pk), action__startswith="kill_switch."
        )
        return (
            kill_item(case),
            case.last_activity_at > NOON,
            list(actions.order_by("sequence").values_list("action", flat=True)),
            kill_condition(case).met,
        )

    def post(self, client, url, **values):
        response = client.post(url, values)
        assert response.status_code == 302, response.content.decode()[:2000]

    @pytest.mark.parametrize("door", ["case", "extension"])
    def test_ordering(self, client, incident, door):
        client.force_login(make_user())
        extension = incident.extensions.get()
        if door == "case":
            url = reverse("admin:incidents_incident_do", args=[incident.pk, "kill"])
            self.post(client, url, extension=extension.pk, reason="It leaks.")
        else:
            url = reverse("admin:policy_extension_do", args=[extension.pk, "kill"])
            self.post(client, url, incident=incident.pk, reason="It leaks.")
        assert self.outcome(incident) == (
            "open",
            True,
            ["kill_switch.activated"],
            False,
        )

    @pytest.mark.parametrize("door", ["case", "switch", "api"])
    def test_confirming(self, client, incident, door):
        switch = kill(incident)
        client.force_login(make_user())
        if door == "case":
            url = reverse(
                "admin:incidents_incident_do", args=[incident.pk, "confirm-kill"]
            )
            self.post(client, url, switch=switch.pk, means="All denied.")
        elif door == "switch":
            url = reverse("admin:policy_killswitch_do", args=[switch.pk, "confirm"])
            self.post(client, url, means="All denied.")
        else:
            api: APIClient = make_client(
                make_user(Role.MACHINE), TokenScope.READ, TokenScope.POLICY_WRITE
            )
            url = f"/api/v1/kill-switches/{switch.pk}/confirmation/"
            assert api.post(url, {"means": "All denied."}).status_code == 201
        actions = ["kill_switch.activated", "kill_switch.confirmed"]
        assert self.outcome(incident) == ("done", True, actions, True)

    def test_extension_that_no_case_names_is_killed_from_its_own_page(
        self, client, incident
    ):
        (stray,) = note_extensions(incident, ["ext.stray"], NOON)
        client.force_login(make_user())
        url = reverse("admin:policy_extension_do", args=[stray.pk, "kill"])
        self.post(client, url, incident=incident.pk, reason="It leaks.")
        assert stray.kill_switches.get().incident == incident
        assert incident.extensions.filter(pk=stray.pk).exists()
        assert incident.timeline.filter(body__contains="names `ext.stray` now").exists()

    def test_extension_of_another_case_is_not_killed_from_this_one(
        self, client, incident
    ):
        other = make_incident(extension_ids=("ext.other",)).extensions.get()
        client.force_login(make_user())
        url = reverse("admin:incidents_incident_do", args=[incident.pk, "kill"])
        response = client.post(url, {"extension": other.pk, "reason": "Slip."})
        assert response.status_code == 404
        assert not KillSwitch.objects.exists()

    def test_case_confirms_the_order_of_another_case_for_its_extension(
        self, client, incident
    ):
        switch = kill(make_incident())
        client.force_login(make_user())
        url = reverse("admin:incidents_incident_do", args=[incident.pk, "confirm-kill"])
        self.post(client, url, switch=switch.pk, means="All denied.")
        assert kill_item(incident) == "done"

    def test_late_confirmation_of_a_closed_case_is_taken(self, incident):
        switch = kill(incident)
        close_false_alarm(incident, aftermath=Aftermath.STAY)
        confirm(switch)
        assert hasattr(KillSwitch.objects.get(pk=switch.pk), "confirmation")


class TestOtherCases:
    def test_kill_all_is_told_in_every_open_case(self, incident):
        other = make_incident(extension_ids=("ext.other",))
        kill_all(incident)
        entries = AuditEntry.objects.filter(stream=incident_stream(other.pk))
        assert set(
            entries.exclude(action="incident.opened").values_list("action", flat=True)
        ) == {"kill_switch.activated", "trust.moved"}
        other.refresh_from_db()
        assert other.last_activity_at == LATER

    def test_kill_of_a_shared_extension_is_told_in_the_other_case(self, incident):
        other, unrelated = make_incident(), make_incident(extension_ids=("ext.no",))
        confirm(kill(incident))
        told = AuditEntry.objects.filter(action="kill_switch.confirmed")
        assert told.filter(stream=incident_stream(other.pk)).exists()
        assert not told.filter(stream=incident_stream(unrelated.pk)).exists()
        assert kill_item(other) == "done"

    def test_extension_noted_while_all_are_stopped_is_held(self, incident):
        switch = kill_all(incident)
        (late,) = note_extensions(incident, ["ext.late"], LATER)
        assert late.trust_state == "quarantined"
        move = late.trust_transitions.get()
        assert move.kill_switch == switch
        assert "noted while it stands" in move.reason

    def test_what_slipped_past_is_held_by_the_sweep(self, incident):
        Extension.objects.create(extension_id="ext.slipped", first_seen_at=NOON)
        assert hold_newcomers() == 0
        kill_all(incident)
        Extension.objects.create(extension_id="ext.late", first_seen_at=NOON)
        assert hold_newcomers() == 1
        assert hold_newcomers() == 0
        late = Extension.objects.get(extension_id="ext.late")
        assert late.trust_state == "quarantined"


class TestClosing:
    def ready(self) -> Incident:
        incident = make_incident()
        reach(incident, Phase.POSTMORTEM)
        make_signed(incident)
        pass_with_waivers(incident, Phase.POSTMORTEM)
        return Incident.objects.get(pk=incident.pk)

    def test_by_the_book_needs_a_reviewer_and_a_reason_for_an_open_order(self):
        incident = self.ready()
        kill(incident)
        for role, reason in ((Role.RESPONDER, "Why."), (Role.REVIEWER, " ")):
            with pytest.raises(TransitionError, match="Ordered, not confirmed") as no:
                close_incident(
                    actor=make_user(role),
                    incident_id=incident.pk,
                    outcome=make_outcome(),
                    lead=make_user(),
                    reason=reason,
                )
            assert no.value.code == "kill_unconfirmed"
        closed = close_incident(
            actor=make_user(Role.REVIEWER),
            incident_id=incident.pk,
            outcome=make_outcome(),
            lead=make_user(),
            reason="The host was scrapped.",
        )
        assert closed.closing_reason == "The host was scrapped."
        body = closed.timeline.get(body__contains="**Closed").body
        assert "Closed with an order that is not confirmed" in body

    def test_by_the_book_with_a_confirmed_kill_asks_nothing(self):
        incident = self.ready()
        confirm(kill(incident))
        closed = close_incident(
            actor=make_user(),
            incident_id=incident.pk,
            outcome=make_outcome(),
            lead=make_user(),
        )
        assert closed.closed_at

    @pytest.mark.parametrize("how", ["false alarm", "duplicate"])
    def test_early_asks_what_becomes_of_what_stands(self, incident, how):
        kill(incident)
        reviewer = make_user(Role.REVIEWER, "second")
        fields = {"actor": reviewer, "incident_id": incident.pk, "reason": "Noise."}
        if how == "duplicate":
            fields["original"] = make_incident().reference
        else:
            fields |= {"outcome": make_outcome(), "lead": reviewer}
        close = close_as_duplicate if how == "duplicate" else close_as_false_alarm
        with pytest.raises(TransitionError, match="leaves in force") as refused:
            close(**fields)
        assert refused.value.code == "aftermath_missing"
        assert "ext.weather in quarantine" in refused.value.message
        closed = close(**fields, aftermath=Aftermath.RELEASE)
        assert LiftRequest.objects.get().requested_by == reviewer
        assert PromotionRequest.objects.get().to_state == "probation"
        last = closed.timeline.order_by("id").last().body
        assert "A second reviewer is asked to release" in last

    def test_staying_in_force_is_said_and_asks_nobody(self, incident):
        kill(incident)
        closed = close_false_alarm(incident, aftermath=Aftermath.STAY)
        assert not LiftRequest.objects.exists()
        assert "Stays in force" in closed.timeline.order_by("id").last().body

    def test_nothing_in_force_asks_nothing(self, incident):
        close_false_alarm(incident)
        assert not Incident.objects.get(pk=incident.pk).is_open

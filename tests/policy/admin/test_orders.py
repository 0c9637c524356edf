"""Orders and decisions on pages: amber until confirmed, each button for its people."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from incidents.models import Incident
from incidents.services.gates.conditions import state_condition
from incidents.services.gates.phases import complete_phase
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.phases import Phase
from policy.models import Extension, KillSwitch
from policy.services.kill_switches import (
    activate_kill_all,
    activate_kill_switch,
    confirm_kill_switch,
)
from policy.services.lifts import approve_lift, request_lift
from policy.services.promotions import request_promotion
from policy.services.releases import request_release
from tests.conftest import make_user
from tests.factories import OUTCOME, make_incident
from tests.policy.admin.conftest import World

pytestmark = pytest.mark.long

AMBER = "Ordered, not confirmed"


@pytest.fixture
def switch(incident: Incident, extension: Extension, responder: User) -> KillSwitch:
    return activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="It reads secrets.",
        actor=responder,
    )


def case_url(incident: Incident, tab: str = "checklist") -> str:
    url = reverse("admin:incidents_incident_change", args=[incident.pk])
    return f"{url}?tab={tab}"


def url_of(obj: Extension | KillSwitch) -> str:
    name = f"admin:policy_{obj._meta.model_name}_change"
    return reverse(name, args=[obj.pk])


def get(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def post(client: Client, obj: Extension | KillSwitch, action: str, **data: str) -> str:
    url = reverse(f"admin:policy_{obj._meta.model_name}_do", args=[obj.pk, action])
    return client.post(url, data, follow=True).content.decode()


def pages(incident: Incident, extension: Extension, switch: KillSwitch) -> list[str]:
    tabs = ("checklist", "policy", "evidence", "timeline", "postmortem")
    return [
        *(case_url(incident, tab) for tab in tabs),
        url_of(extension),
        url_of(switch),
        "/admin/",
    ]


@pytest.mark.parametrize(
    "role",
    ["responder", "auditor", pytest.param("reviewer", marks=pytest.mark.slow)],
)
def test_every_page_is_amber_until_the_confirmation(
    client: Client,
    incident: Incident,
    extension: Extension,
    switch: KillSwitch,
    role: str,
    request: pytest.FixtureRequest,
) -> None:
    client.force_login(
        User.objects.filter(username=role).first() or request.getfixturevalue(role)
    )
    addresses = pages(incident, extension, switch)
    for url in addresses:
        page = get(client, url)
        assert AMBER in page, url
        assert "data-since" in page, url
        if url != "/admin/":
            assert "pi --explain-extension-policy" in page, url
            assert "data-copy" in page, url
        assert "Kill confirmed" not in page, url
    confirm_kill_switch(
        kill_switch_id=switch.pk,
        means="All denied.",
        actor=User.objects.get(username="responder"),
    )
    for url in addresses:
        assert AMBER not in get(client, url), url
    assert "Kill confirmed" in get(client, case_url(incident, "policy"))
    assert "Kill confirmed" in get(client, url_of(extension))


def test_the_form_on_the_case_confirms_and_comes_back(
    client: Client, incident: Incident, switch: KillSwitch, responder: User
) -> None:
    client.force_login(responder)
    page = get(client, case_url(incident))
    url = reverse("admin:incidents_incident_do", args=[incident.pk, "confirm-kill"])
    assert f'action="{url}"' in page
    back = case_url(incident)
    sent = {"switch": switch.pk, "means": "All denied.", "next": back}
    response = client.post(url, sent)
    assert (response.status_code, response.headers["Location"]) == (302, back)
    assert KillSwitch.objects.confirmed().exists()


def test_a_phase_completed_on_an_order_is_amber_until_the_confirmation(
    client: Client, incident: Incident, switch: KillSwitch, responder: User
) -> None:
    for condition in ("isolation-verified", "extension-killed"):
        state_condition(
            actor=responder,
            incident_id=incident.pk,
            condition=ConditionKey(condition),
            statement="The host is off.",
        )
    complete_phase(actor=responder, incident_id=incident.pk, phase=Phase.CONTAIN)
    client.force_login(responder)
    url = case_url(incident) + "&phase=contain"
    page = get(client, url)
    assert "on an unconfirmed order" in page
    assert "The host is off." in page
    confirm_kill_switch(kill_switch_id=switch.pk, means="Gone.", actor=responder)
    page = get(client, url)
    assert "on an unconfirmed order" not in page
    assert "Confirmed since" in page
    assert AMBER not in page


def test_the_order_is_told_as_a_warning_and_not_as_done(
    client: Client, incident: Incident, extension: Extension, responder: User
) -> None:
    client.force_login(responder)
    url = reverse("admin:incidents_incident_do", args=[incident.pk, "kill"])
    response = client.post(url, {"extension": extension.pk, "reason": "r"}, follow=True)
    (message,) = response.context["messages"]
    assert message.level_tag == "warning"
    assert "Nothing has stopped yet" in message.message


def test_an_auditor_sees_the_order_and_no_form(
    client: Client, incident: Incident, switch: KillSwitch, auditor: User
) -> None:
    client.force_login(auditor)
    page = get(client, case_url(incident))
    assert AMBER in page
    assert "It took effect" not in page


def test_kill_all_shows_on_the_dashboard_and_in_every_open_case(
    client: Client, incident: Incident, responder: User
) -> None:
    other = make_incident(extension_ids=("ext.other",))
    switch = activate_kill_all(
        incident_id=incident.pk,
        typed_reference=incident.reference,
        reason="Everything burns.",
        actor=responder,
    )
    client.force_login(responder)
    for url in ("/admin/", case_url(other)):
        page = get(client, url)
        assert "ordered to be stopped" in page
        assert "Everything burns." in page
    confirm_kill_switch(kill_switch_id=switch.pk, means="Gone.", actor=responder)
    assert "All extensions are stopped" in get(client, case_url(other))
    timeline = get(client, case_url(other, "timeline"))
    assert f"ordered in {incident.reference}" in timeline


class TestWhoIsOffered:
    def buttons(self, client: Client, obj: Extension | KillSwitch, user: User) -> set:
        client.force_login(user)
        page = get(client, url_of(obj))
        names = {"approve", "decline", "withdraw"}
        return {name for name in names if f"/do/{name}/" in page}

    def test_of_a_lift(
        self, client: Client, switch: KillSwitch, responder: User, reviewer: User
    ) -> None:
        asker = make_user("asker", "reviewer")
        request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=asker)
        assert self.buttons(client, switch, asker) == {"withdraw"}
        assert self.buttons(client, switch, reviewer) == {"approve", "decline"}
        assert self.buttons(client, switch, responder) == set()

    def test_of_a_lift_not_to_who_activated(
        self, client: Client, incident: Incident, extension: Extension, reviewer: User
    ) -> None:
        switch = activate_kill_switch(
            incident_id=incident.pk,
            extension_pk=extension.pk,
            reason="r",
            actor=reviewer,
        )
        asker = make_user("asker", "responder")
        request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=asker)
        assert self.buttons(client, switch, reviewer) == {"decline"}

    def test_of_a_promotion(
        self,
        client: Client,
        switch: KillSwitch,
        extension: Extension,
        responder: User,
        reviewer: User,
    ) -> None:
        request_promotion(
            extension_pk=extension.pk,
            to_state="probation",  # type: ignore[arg-type]
            reason="Fixed.",
            actor=reviewer,
        )
        other = make_user("other", "reviewer")
        assert self.buttons(client, extension, reviewer) == {"withdraw"}
        assert self.buttons(client, extension, other) == {"approve", "decline"}
        assert self.buttons(client, extension, responder) == set()


def test_a_stale_page_decides_on_what_it_showed_and_says_what_became_of_it(
    client: Client, switch: KillSwitch, responder: User, reviewer: User
) -> None:
    shown = request_lift(kill_switch_id=switch.pk, reason="First.", actor=responder)
    client.force_login(responder)
    post(client, switch, "withdraw", reason="")
    request_lift(kill_switch_id=switch.pk, reason="Another wish.", actor=responder)
    client.force_login(reviewer)
    page = post(client, switch, "approve", exception="Yes.", request=str(shown.pk))
    assert "withdrawn already, by responder" in page
    assert KillSwitch.objects.get(pk=switch.pk).state != "lifted"


def test_a_decision_on_nothing_names_no_number(
    client: Client, switch: KillSwitch, reviewer: User
) -> None:
    client.force_login(reviewer)
    page = post(client, switch, "approve", exception="Yes.")
    assert "waits for a decision here" in page
    assert "request 0" not in page


def test_a_lifted_switch_says_how_to_let_it_run_and_not_how_to_kill(
    client: Client, switch: KillSwitch, responder: User, reviewer: User
) -> None:
    request = request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=responder)
    approve_lift(request_id=request.pk, actor=reviewer, exception="The wrong one.")
    client.force_login(responder)
    page = get(client, url_of(switch))
    assert "no command is needed to stop it any more" in page
    assert "To let it run again" in page
    assert "&quot;ext.weather&quot;: null" in page
    assert "&quot;deny&quot;" not in page
    timeline = get(client, case_url(switch.incident, "timeline"))
    assert "responder asked: Fixed." in timeline
    assert "Exception, stated by reviewer: The wrong one." in timeline


def test_release_of_all_by_two_persons(
    client: Client, incident: Incident, responder: User, reviewer: User
) -> None:
    switch = activate_kill_all(
        incident_id=incident.pk,
        typed_reference=incident.reference,
        reason="Burns.",
        actor=responder,
    )
    lift = request_lift(kill_switch_id=switch.pk, reason="Out.", actor=responder)
    approve_lift(request_id=lift.pk, actor=reviewer, exception="Out.")
    client.force_login(responder)
    assert "It still holds 1 extension" in get(client, url_of(switch))
    assert "Asked for 1 extensions" in post(client, switch, "release", reason="Out.")
    assert "/do/withdraw-release/" in get(client, url_of(switch))
    assert "/do/approve-release/" not in get(client, url_of(switch))
    client.force_login(reviewer)
    refused = post(client, switch, "approve-release", exception="")
    assert "has open cases" in refused
    done = post(client, switch, "approve-release", exception="Known.")
    assert "1 extensions are on probation" in done


def test_closing_early_asks_what_becomes_of_what_stands(
    client: Client, incident: Incident, switch: KillSwitch, reviewer: User
) -> None:
    client.force_login(reviewer)
    page = get(client, case_url(incident))
    assert "This case leaves in force" in page
    url = reverse("admin:incidents_incident_do", args=[incident.pk, "false-alarm"])
    asked = {"reason": "Noise.", "lead": reviewer.pk, **OUTCOME}
    refused = client.post(url, asked, follow=True).content.decode()
    assert "Say what becomes of them" in refused
    client.post(url, {**asked, "aftermath": "release"})
    assert not Incident.objects.get(pk=incident.pk).is_open
    assert switch.lift_requests.get().requested_by == reviewer


def test_release_waits_once_on_the_page_of_each_extension(
    client: Client, incident: Incident, responder: User, reviewer: User
) -> None:
    switch = activate_kill_all(
        incident_id=incident.pk,
        typed_reference=incident.reference,
        reason="Burns.",
        actor=responder,
    )
    lift = request_lift(kill_switch_id=switch.pk, reason="Out.", actor=responder)
    approve_lift(request_id=lift.pk, actor=reviewer, exception="Out.")
    request_release(kill_switch_id=switch.pk, reason="Out.", actor=responder)
    client.force_login(reviewer)
    page = get(client, url_of(incident.extensions.get()))
    assert "part of one request for all" in page


def test_a_plan_is_not_approved_by_who_proposed_it_nor_withdrawn_by_others(
    client: Client, world: World, responder: User, reviewer: User
) -> None:
    url = reverse("admin:policy_rollback_change", args=[world.rollback.pk])
    client.force_login(responder)
    assert "/do/withdraw/" in get(client, url)
    client.force_login(reviewer)
    page = get(client, url)
    assert "/do/approve/" in page
    assert "/do/withdraw/" not in page

"""Two people at once: one of them wins, and history has no fork."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection

from evidence.audit.history import extension_stream, verify_stream
from policy.errors import PolicyError
from policy.models import Extension, KillSwitch, TrustTransition
from policy.rules.trust import TrustState
from policy.services.kill_switches import activate_kill_switch, confirm_kill_switch
from policy.services.lifts import (
    approve_lift,
    decline_lift,
    request_lift,
    withdraw_lift,
)
from policy.services.promotions import approve_promotion, request_promotion
from policy.services.trust import demote_extension
from tests.conftest import make_user
from tests.factories import make_incident
from tests.policy.samples import make_extension

pytestmark = pytest.mark.django_db(transaction=True)


def run_together(*calls: Callable[[], object]) -> list[str]:
    """Run the calls on connections of their own; return what each came to."""
    barrier = threading.Barrier(len(calls))
    results = [""] * len(calls)

    def run(number: int, call: Callable[[], object]) -> None:
        try:
            barrier.wait(timeout=10)
            call()
            results[number] = "done"
        except PolicyError as error:
            results[number] = error.code
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return sorted(results)


def activate(incident_id: int, extension: Extension, actor: User) -> None:
    activate_kill_switch(
        incident_id=incident_id, extension_pk=extension.pk, reason="r", actor=actor
    )


def test_two_cases_kill_one_extension_once() -> None:
    first, second = make_incident(), make_incident()
    extension, actor = first.extensions.get(), make_user("rosa", "responder")
    results = run_together(
        lambda: activate(first.pk, extension, actor),
        lambda: activate(second.pk, extension, actor),
    )
    assert results == ["already_active", "done"]
    assert KillSwitch.objects.count() == 1
    assert TrustTransition.objects.count() == 1
    assert verify_stream(extension_stream(extension.extension_id)) == []


def test_two_reviewers_approve_one_promotion_once() -> None:
    extension, asker = make_extension(), make_user("rosa", "responder")
    reviewers = [make_user(name, "reviewer") for name in ("remy", "rita")]
    demote_extension(extension_pk=extension.pk, reason="r", actor=asker)
    request = request_promotion(
        extension_pk=extension.pk,
        to_state=TrustState.PROBATION,
        reason="r",
        actor=asker,
    )
    results = run_together(
        lambda: approve_promotion(request_id=request.pk, actor=reviewers[0]),
        lambda: approve_promotion(request_id=request.pk, actor=reviewers[1]),
    )
    assert results == ["already_decided", "done"]
    assert TrustTransition.objects.count() == 2
    assert verify_stream(extension_stream(extension.extension_id)) == []


@pytest.mark.parametrize("rival", ["approve", "withdraw", "decline"])
def test_of_two_who_decide_a_lift_at_once_one_does(rival: str) -> None:
    asker = make_user("rosa", "responder")
    reviewers = [make_user(name, "reviewer") for name in ("remy", "rita")]
    incident = make_incident()
    switch = activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=incident.extensions.get().pk,
        reason="r",
        actor=asker,
    )
    request = request_lift(kill_switch_id=switch.pk, reason="r", actor=asker)
    rivals: dict[str, Callable[[], object]] = {
        "approve": lambda: approve_lift(
            request_id=request.pk, actor=reviewers[1], exception="y"
        ),
        "withdraw": lambda: withdraw_lift(request_id=request.pk, actor=asker),
        "decline": lambda: decline_lift(
            request_id=request.pk, actor=reviewers[1], reason="no"
        ),
    }
    results = run_together(
        lambda: approve_lift(request_id=request.pk, actor=reviewers[0], exception="y"),
        rivals[rival],
    )
    assert results == ["already_decided", "done"]
    request.refresh_from_db()
    lifted = KillSwitch.objects.active().filter(pk=switch.pk).exists()
    assert lifted == (request.state != "approved")


def test_two_who_confirm_at_once_make_one_confirmation() -> None:
    incident = make_incident()
    people = [make_user(name, "responder") for name in ("rosa", "ravi")]
    switch = activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=incident.extensions.get().pk,
        reason="r",
        actor=people[0],
    )
    results = run_together(
        *(
            lambda who=who: confirm_kill_switch(
                kill_switch_id=switch.pk, means="Denied.", actor=who
            )
            for who in people
        )
    )
    assert results == ["done", "done"]
    item = incident.current_cycle.checklist.get(key="kill-extension")
    assert item.state == "done"
    assert item.entries.count() == 1

"""Kill switches: ordered by one person, confirmed by the runtime or its operator."""

from __future__ import annotations

import datetime as dt
import hmac
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from evidence.accounts.access import require_permission
from evidence.queue.sending import queue_on_commit
from evidence.stored_moments import require_moment
from policy.errors import PolicyConflict, PolicyNotFound, PolicyRefused
from policy.models import (
    Extension,
    KillSwitch,
    KillSwitchConfirmation,
    TrustTransition,
)
from policy.rules.kill_switch import (
    KillSwitchScope,
    KillSwitchState,
    RuntimeInstruction,
    lift_instruction,
    require_kill_switch_move,
    runtime_instruction,
)
from policy.rules.trust import TrustState
from policy.services.changes import WORK_POLICY, record_change, require_reason
from policy.services.concerned_cases import (
    lock_cases,
    lock_extension,
    lock_open_incident,
    open_cases_of,
)
from policy.services.followers import tell_followers
from policy.services.trust import add_transition, current_state, hold_newcomer

CONFIRM = "policy.confirm_killswitch"
NOTIFY_TASK = "incidents.notify_kill_all"
"""Tells a second person at once; the app of cases has the task."""
CLOCK_SKEW = dt.timedelta(minutes=1)


@transaction.atomic
def activate_kill_switch(
    *,
    incident_id: int,
    extension_pk: int,
    reason: str,
    actor: User,
    now: dt.datetime | None = None,
) -> KillSwitch:
    """Order an extension to be stopped, and quarantine it in the same transaction.

    The one way to it: the cases follow in the same transaction.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    # Cases before extensions, as everywhere: services that meet take turns and
    # never wait for each other in a circle.
    lock_cases(incident_id, extension_pk)
    incident = lock_open_incident(incident_id, actor)
    extension = lock_extension(extension_pk)
    _require_none_active(
        KillSwitch.everything.filter(extension=extension), str(extension.extension_id)
    )
    # Under the lock: a lift gives back the very state that the order found.
    previous = current_state(extension)
    switch = KillSwitch.objects.create(
        scope=KillSwitchScope.EXTENSION,
        extension=extension,
        reason=require_reason(reason),
        incident=incident,
        ordered_at=moment,
        ordered_by=actor,
        previous_trust=previous,
    )
    _record_activation(switch, (extension,), actor, moment)
    _quarantine(extension, switch, actor, moment)
    tell_followers(switch.pk, actor, moment)
    return switch


@transaction.atomic
def activate_kill_all(
    *,
    incident_id: int,
    typed_reference: str,
    reason: str,
    actor: User,
    now: dt.datetime | None = None,
) -> KillSwitch:
    """Order all extensions to be stopped: the emergency.

    The case's reference is typed, so that no slip of the hand does this. Every known
    extension is quarantined, and a second person is told as soon as it is committed.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    lock_cases(incident_id, None)
    incident = lock_open_incident(incident_id, actor)
    _require_reference(incident, typed_reference)
    text = require_reason(reason)
    # In one order, so that two who do this at once take turns.
    extensions = tuple(Extension.objects.select_for_update().order_by("pk"))
    _require_none_active(
        KillSwitch.everything.filter(scope=KillSwitchScope.ALL), "all extensions"
    )
    switch = KillSwitch.objects.create(
        scope=KillSwitchScope.ALL,
        reason=text,
        incident=incident,
        ordered_at=moment,
        ordered_by=actor,
    )
    _record_activation(switch, extensions, actor, moment)
    for extension in extensions:
        _quarantine(extension, switch, actor, moment)
    tell_followers(switch.pk, actor, moment)
    # After the commit: an order that is rolled back alarms nobody.
    queue_on_commit(NOTIFY_TASK, switch.pk)
    return switch


@transaction.atomic
def confirm_kill_switch(
    *,
    kill_switch_id: int,
    means: str,
    actor: User,
    effective_at: dt.datetime | None = None,
    now: dt.datetime | None = None,
) -> tuple[KillSwitchConfirmation, bool]:
    """Record that an order took effect; return (confirmation, created).

    Ordered and effective are two times: `effective_at` is when the runtime obeyed, now
    where it is not given. Confirming again returns the first confirmation unchanged.
    """
    require_permission(actor, CONFIRM)
    moment = now or timezone.now()
    switch = lock_kill_switch(kill_switch_id)
    # Two who confirm at once took turns above: the second finds the first's.
    if hasattr(switch, "confirmation"):
        return switch.confirmation, False
    require_kill_switch_move(switch.state, KillSwitchState.CONFIRMED)
    confirmation = KillSwitchConfirmation.objects.create(
        kill_switch=switch,
        effective_at=_require_effective(effective_at, switch, moment),
        confirmed_at=moment,
        confirmed_by=actor,
        means=require_reason(means, what="what was run and what it showed"),
    )
    record_change(
        switch,
        action="kill_switch.confirmed",
        actor=actor,
        now=moment,
        incident_id=switch.incident_id,
        extensions=extensions_of(switch),
        told=told_cases(switch),
        reason=confirmation.means,
        before={"state": str(KillSwitchState.ORDERED)},
        after={
            "state": str(KillSwitchState.CONFIRMED),
            "effective_at": confirmation.effective_at,
            "case": switch.incident.reference,
        },
    )
    tell_followers(switch.pk, actor, moment)
    return confirmation, True


@transaction.atomic
def hold_newcomers(*, now: dt.datetime | None = None) -> int:
    """Quarantine what slipped past a kill-all: noted by one who did not see it yet.

    Who notes an extension holds it where all are stopped. Between two transactions
    that do not see each other one can slip through; this finds it moments later.
    """
    switch = KillSwitch.everything.active().filter(scope=KillSwitchScope.ALL).first()
    if switch is None:
        return 0
    loose = Extension.objects.exclude(trust_state=TrustState.QUARANTINED)
    held = [
        hold_newcomer(pk, now=now or timezone.now())
        for pk in loose.order_by("pk").values_list("pk", flat=True)
    ]
    return sum(held)


def instruction_for(switch: KillSwitch) -> RuntimeInstruction:
    """Return the command, and the settings patch where one is needed, to run now.

    Of a lifted switch that is what lets the runtime load the extension again.
    """
    extension_id = switch.extension.extension_id if switch.extension else ""
    if switch.state is KillSwitchState.LIFTED:
        return lift_instruction(KillSwitchScope(switch.scope), extension_id)
    return runtime_instruction(KillSwitchScope(switch.scope), extension_id)


def with_kill_state(extensions: QuerySet[Extension]) -> QuerySet[Extension]:
    """Add `is_kill_ordered` and `is_kill_confirmed`, of switches that still stand."""
    covering = KillSwitch.everything.filter(
        Q(extension=OuterRef("pk")) | Q(extension__isnull=True), lift__isnull=True
    )
    return extensions.annotate(
        is_kill_ordered=Exists(covering),
        is_kill_confirmed=Exists(covering.filter(confirmation__isnull=False)),
    )


def lock_kill_switch(kill_switch_id: int) -> KillSwitch:
    """Return a kill switch under the lock of its case, in the order of all services."""
    found = KillSwitch.objects.filter(pk=kill_switch_id).first()
    if found is None:
        raise PolicyNotFound(
            f"There is no kill switch {kill_switch_id}.", code="no_such_kill_switch"
        )
    # A kill switch's own row is append-only and takes no lock; its cases' do.
    lock_cases(found.incident_id, found.extension_id)
    return KillSwitch.objects.with_people().get(pk=found.pk)


def extensions_of(switch: KillSwitch) -> tuple[Extension, ...]:
    return (switch.extension,) if switch.extension else ()


def told_cases(switch: KillSwitch) -> list[int]:
    """Return the open cases that hear of a switch: those whose extension it stops."""
    return list(open_cases_of(switch.extension_id).values_list("pk", flat=True))


def _quarantine(
    extension: Extension, switch: KillSwitch, actor: User, now: dt.datetime
) -> TrustTransition | None:
    """Quarantine an extension; None where it is quarantined already."""
    state = current_state(extension)
    if state is TrustState.QUARANTINED:
        return None
    return add_transition(
        extension,
        state,
        TrustState.QUARANTINED,
        reason=f"Kill switch {switch.pk}: {switch.reason}",
        actor=actor,
        incident_id=switch.incident_id,
        now=now,
        kill_switch=switch,
    )


def _record_activation(
    switch: KillSwitch,
    extensions: tuple[Extension, ...],
    actor: User,
    now: dt.datetime,
) -> None:
    record_change(
        switch,
        action="kill_switch.activated",
        actor=actor,
        now=now,
        incident_id=switch.incident_id,
        extensions=extensions,
        told=told_cases(switch),
        reason=switch.reason,
        before={"trust_state": switch.previous_trust} if switch.extension else None,
        after={
            "state": str(KillSwitchState.ORDERED),
            "scope": str(switch.scope),
            "case": switch.incident.reference,
        },
    )


def _require_none_active(switches: Any, whom: str) -> None:
    standing = switches.active().first()
    if standing is not None:
        raise PolicyConflict(
            f"Kill switch {standing.pk} stops {whom} already: have the runtime run "
            "it, and confirm it.",
            code="already_active",
        )


def _require_reference(incident: Any, typed: str) -> None:
    wanted = incident.reference.encode()
    given = typed.strip().upper().encode("utf-8", "replace")
    if not hmac.compare_digest(wanted, given):
        raise PolicyRefused(
            "What was typed is not the reference of this case. To stop all "
            "extensions, type out the case's reference.",
            code="reference_mismatch",
        )


def _require_effective(
    effective_at: dt.datetime | None, switch: KillSwitch, now: dt.datetime
) -> dt.datetime:
    if effective_at is None:
        return now
    # The runtime's clock may differ a little from this one, either way.
    return require_moment(
        effective_at,
        what="a moment from the order to now for when it took effect",
        now=now,
        earliest=switch.ordered_at - CLOCK_SKEW,
        ahead=CLOCK_SKEW,
    )

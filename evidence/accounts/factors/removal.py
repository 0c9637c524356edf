"""Taking away the factors of somebody who has lost them, so that they can come back."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.accounts.factors.held import find_factors
from evidence.accounts.factors.noting import note_change
from evidence.accounts.people import CHANGE, lock_person
from evidence.accounts.sessions import end_sessions_of
from evidence.errors import FactorError, PermissionRefused, PersonError
from evidence.models import AuthenticatorApp, Passkey, RecoveryCode
from evidence.text import require_text


@transaction.atomic
def remove_factors(
    *, actor: Actor, person_id: int, reason: str, now: dt.datetime | None = None
) -> User:
    """Take away all factors and recovery codes of a person, and end their sessions.

    What was lost may be in somebody's hands. Whose role needs a factor adds one at the
    next sign-in.
    """
    require_permission(actor, CHANGE)
    person = lock_person(person_id, actor)
    if actor is not None and person.pk == actor.pk:
        raise PermissionRefused(
            "Nobody removes their own factors here: each has a button under My factors."
        )
    why, moment = require_text(reason, refusal=PersonError), now or timezone.now()
    taken = take_factors(person)
    if not any(taken.values()):
        raise FactorError(
            f"{person.get_username()} has no second factor.", code="factor_missing"
        )
    end_sessions_of(person)
    note_change(
        person,
        "person.factors_removed",
        f"{name_of(actor)} removed the second factors of your account",
        actor=actor,
        now=moment,
        reason=why,
        before=taken,
    )
    return person


def take_factors(person: User) -> dict[str, Any]:
    """Delete a locked person's factors and codes; return what there was."""
    held = find_factors(person)
    taken = {
        "authenticator": held.app is not None,
        "passkeys": [passkey.name for passkey in held.passkeys],
        "recovery_codes": held.codes_left,
    }
    AuthenticatorApp.objects.filter(user=person).delete()
    Passkey.objects.filter(user=person).delete()
    RecoveryCode.objects.filter(user=person).delete()
    return taken

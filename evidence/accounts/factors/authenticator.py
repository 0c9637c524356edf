"""Authenticator apps: added with a code that proves the seed, used, removed."""

from __future__ import annotations

import datetime as dt

from cryptography.fernet import InvalidToken
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.factors.codes import find_step, step_at
from evidence.accounts.factors.held import find_factors
from evidence.accounts.factors.noting import (
    forget_codes_without_factor,
    lock_self,
    note_change,
    require_another,
)
from evidence.accounts.sealing import make_cipher
from evidence.errors import FactorError
from evidence.models import AuthenticatorApp

PURPOSE = b"casefile.authenticator-seed.v1"


def seal_seed(seed: bytes) -> str:
    """Return a seed as it is kept."""
    return make_cipher(PURPOSE).encrypt(seed).decode()


def open_seed(sealed: str) -> bytes | None:
    """Return a kept seed; None where SECRET_KEY has changed without a fallback."""
    try:
        return make_cipher(PURPOSE).decrypt(sealed.encode())
    except InvalidToken:
        return None


@transaction.atomic
def add_authenticator(
    *, actor: User, seed: bytes, code: str, now: dt.datetime | None = None
) -> AuthenticatorApp:
    """Keep an app that has shown its code, in place of the one before.

    Raise FactorError for a wrong code.
    """
    person, moment = lock_self(actor), now or timezone.now()
    step = find_step(seed, code, now_step=step_at(moment.timestamp()))
    if step is None:
        raise FactorError(
            "This is not the code that the app should show now. Scan the picture "
            "again, and see that the clock of the phone is right.",
            code="factor_code_wrong",
            field="code",
        )
    replaced, _ = AuthenticatorApp.objects.filter(user=person).delete()
    app = AuthenticatorApp.objects.create(
        user=person, sealed_seed=seal_seed(seed), last_step=step, added_at=moment
    )
    note_change(
        person,
        "person.authenticator_added",
        "An authenticator app was added to your account",
        actor=person,
        now=moment,
        after={"replaces_one": bool(replaced)},
    )
    return app


@transaction.atomic
def remove_authenticator(*, actor: User, now: dt.datetime | None = None) -> None:
    """Forget one's own app. There is none: do nothing."""
    person, moment = lock_self(actor), now or timezone.now()
    held = find_factors(person)
    if held.app is None:
        return
    require_another(person, held)
    held.app.delete()
    forget_codes_without_factor(person, find_factors(person))
    note_change(
        person,
        "person.authenticator_removed",
        "The authenticator app of your account was removed, by your own account",
        actor=person,
        now=moment,
    )


@transaction.atomic
def use_authenticator(
    *, person: User, code: str, now: dt.datetime | None = None
) -> bool:
    """Return whether this is a code of the person's app; each is taken once."""
    moment = now or timezone.now()
    app = AuthenticatorApp.objects.select_for_update().filter(user=person).first()
    seed = open_seed(app.sealed_seed) if app else None
    if app is None or seed is None:
        return False
    now_step = step_at(moment.timestamp())
    step = find_step(seed, code, now_step=now_step, after=app.last_step)
    if step is None:
        return False
    app.last_step, app.last_used_at = step, moment
    app.save(update_fields=["last_step", "last_used_at"])
    return True

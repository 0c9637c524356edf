"""Recovery codes: shown once when they are made, and each works once."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import secrets

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.factors.held import has_factor
from evidence.accounts.factors.noting import lock_self, note_change
from evidence.errors import FactorError
from evidence.models import RecoveryCode

CODES = 10
CODE_BYTES = 10
GROUP = 4


@transaction.atomic
def make_recovery_codes(*, actor: User, now: dt.datetime | None = None) -> list[str]:
    """Make new codes in place of all former ones; return them: they are not kept."""
    person, moment = lock_self(actor), now or timezone.now()
    if not has_factor(person):
        raise FactorError(
            "Recovery codes stand in for a second factor: add one first.",
            code="factor_missing",
        )
    made = [_make_code() for _ in range(CODES)]
    replaced, _ = RecoveryCode.objects.filter(user=person).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=person, sha256_hex=_digest(code), made_at=moment)
        for code in made
    )
    note_change(
        person,
        "person.recovery_codes_made",
        "New recovery codes were made for your account; those before work no more",
        actor=person,
        now=moment,
        before={"codes": replaced},
        after={"codes": len(made)},
    )
    return made


@transaction.atomic
def use_recovery_code(
    *, person: User, code: str, now: dt.datetime | None = None
) -> bool:
    """Return whether this is an unused code of the person, which it is no more."""
    moment = now or timezone.now()
    if not has_factor(person):
        return False
    unused = RecoveryCode.objects.filter(
        user=person, sha256_hex=_digest(code), used_at=None
    )
    # One statement claims it: of two at once, one is let in.
    if not unused.update(used_at=moment):
        return False
    left = RecoveryCode.objects.filter(user=person, used_at=None).count()
    note_change(
        person,
        "person.recovery_code_used",
        f"A recovery code of your account was used; {left} are left",
        actor=person,
        now=moment,
        after={"codes_left": left},
    )
    return True


def _make_code() -> str:
    text = base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower()
    parts = [text[start : start + GROUP] for start in range(0, len(text), GROUP)]
    return "-".join(parts)


def _digest(code: str) -> str:
    plain = "".join(code.split()).replace("-", "").lower()
    return hashlib.sha256(plain.encode()).hexdigest()

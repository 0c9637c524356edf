"""API tokens: made once and shown once, noted when used, revoked for good."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.entries import record_entry
from evidence.errors import TokenError
from evidence.models import ApiToken, TokenScope
from evidence.text import one_line

NAME_LENGTH = 100
LONGEST_DAYS = 366
"""A token that nobody renews within a year is forgotten, not needed."""
NOTE_USE_AFTER = dt.timedelta(minutes=1)
"""How exact `last_used_at` is: at most one write a minute for a busy token."""


@transaction.atomic
def create_token(
    *,
    user: User,
    name: str,
    scopes: Collection[str],
    days: int,
    actor: Actor,
    now: dt.datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token; return its row and the secret, which is not kept anywhere."""
    require_permission(actor, "evidence.add_apitoken")
    moment = now or timezone.now()
    label = _require_name(name)
    wanted = _require_scopes(scopes)
    if not 1 <= days <= LONGEST_DAYS:
        raise TokenError(
            f"expected 1 to {LONGEST_DAYS} days of validity, got {days}", field="days"
        )
    if not user.is_active:
        raise TokenError(
            f"expected an active user, got {user.get_username()}", field="user"
        )
    token, secret = ApiToken.objects.create(
        user=user,
        expiry=dt.timedelta(days=days),
        name=label,
        scopes=wanted,
        created_by=actor,
    )
    record_entry(
        action="token.created",
        actor=actor,
        obj=token,
        after={
            "user": user.get_username(),
            "scopes": wanted,
            "expires_at": token.expiry.isoformat(),
        },
        now=moment,
    )
    return token, secret


@transaction.atomic
def revoke_token(
    *, token_id: int, actor: Actor, reason: str = "", now: dt.datetime | None = None
) -> ApiToken:
    """Revoke a token from now on. One that is revoked already stays as it is."""
    require_permission(actor, "evidence.revoke_apitoken")
    moment = now or timezone.now()
    token = ApiToken.objects.select_for_update().get(pk=token_id)
    if token.revoked_at is not None:
        return token
    token.revoked_at, token.revoked_by = moment, actor
    token.save(update_fields=["revoked_at", "revoked_by"])
    record_entry(
        action="token.revoked",
        actor=actor,
        obj=token,
        reason=reason,
        before={"revoked_at": None},
        after={"revoked_at": moment.isoformat()},
        now=moment,
    )
    return token


def note_use(token: ApiToken, *, now: dt.datetime) -> None:
    """Remember that a token was used; within a minute of the last note, do nothing.

    Telemetry and no change of what the token may do: it has no audit entry.
    """
    stale = now - NOTE_USE_AFTER
    if token.last_used_at is not None and token.last_used_at > stale:
        return
    ApiToken.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lte=stale),
        pk=token.pk,
        revoked_at__isnull=True,
    ).update(last_used_at=now)


def _require_name(name: str) -> str:
    label = one_line(name)
    if not 1 <= len(label) <= NAME_LENGTH:
        raise TokenError(
            f"expected a name of 1 to {NAME_LENGTH} characters that says what the "
            f"token is for, got {len(label)}",
            field="name",
        )
    return label


def _require_scopes(scopes: Collection[str]) -> list[str]:
    unknown = sorted(set(scopes) - set(TokenScope.values))
    if unknown or not scopes:
        got = ", ".join(unknown) or "none"
        raise TokenError(
            f"expected scopes out of {', '.join(TokenScope.values)}; got {got}",
            field="scopes",
        )
    return sorted(set(scopes))

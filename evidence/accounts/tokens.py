"""API tokens: made once and shown once, noted when used, revoked for good."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.accounts.telling import AccountNotice, tell_owner
from evidence.accounts.token_networks import (
    Address,
    network_of,
    note_new_network,
    read_networks,
)
from evidence.audit.history import record_entry
from evidence.errors import TokenError
from evidence.models import ApiToken, TokenScope
from evidence.text import one_line

MAKE_OWN = "evidence.make_own_apitoken"
NAME_LENGTH = 100
LONGEST_DAYS = 366
"""A token that nobody renews within a year is forgotten, not needed."""
NOTE_USE_AFTER = dt.timedelta(minutes=1)
"""How exact `last_used_at` is: at most one write a minute for a busy token."""

# What a scope lets a token do, by the permissions of which its person needs one.
SCOPE_PERMISSIONS = {
    TokenScope.READ: ("incidents.view_incident", "evidence.view_evidenceitem"),
    TokenScope.EVIDENCE_WRITE: ("evidence.add_evidenceitem",),
    TokenScope.EVIDENCE_DOWNLOAD: ("evidence.download_evidenceitem",),
    TokenScope.ALERTS_WRITE: ("incidents.add_alert",),
    TokenScope.CASES_WRITE: ("incidents.work_incident", "incidents.add_incident"),
    # Pages ask for presence here; such a token was made under it, for just this.
    TokenScope.CASES_REVIEW: ("incidents.review_incident",),
    TokenScope.POLICY_WRITE: ("policy.confirm_killswitch", "policy.add_policysnapshot"),
    TokenScope.UNREDACTED: (
        "evidence.export_unredacted",
        "incidents.download_casearchive",
    ),
    TokenScope.ARCHIVES: (
        "incidents.make_casearchive",
        "incidents.download_casearchive",
    ),
}


@transaction.atomic
def create_token(
    *,
    user: User,
    name: str,
    scopes: Collection[str],
    days: int,
    actor: Actor,
    networks: Collection[str] = (),
    now: dt.datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token; return its row and the secret, which is not kept anywhere.

    A person gives only scopes that the user's role has a use for; the system may
    prepare a token for a role that is still to come. `networks` are where it may be
    used from, in CIDR; none: from anywhere.
    """
    owner = lock_owner(user.pk)
    if actor != owner or not owner.has_perm(MAKE_OWN):
        require_permission(actor, "evidence.add_apitoken")
    moment = now or timezone.now()
    label = _require_name(name)
    wanted = _require_scopes(scopes)
    allowed = read_networks(networks)
    require_days(days)
    if not owner.is_active:
        raise TokenError(
            f"{owner.get_username()} is switched off. Choose a person or machine that "
            "is active.",
            field="user",
        )
    if actor is not None:
        require_usable(owner, wanted)
    token, secret = ApiToken.objects.create(
        user=owner,
        expiry=dt.timedelta(days=days),
        name=label,
        scopes=wanted,
        networks=allowed,
        created_by=actor,
    )
    record_entry(
        action="token.created",
        actor=actor,
        obj=token,
        after={
            "user": owner.get_username(),
            "scopes": wanted,
            "networks": allowed,
            "expires_at": token.expiry.isoformat(),
        },
        now=moment,
    )
    tell_of_token(token, "made", actor=actor, now=moment)
    return token, secret


def lock_owner(person_id: int) -> User:
    """Lock whose token is made, and return them as they are now.

    Who switches them off or takes a role away locks them too, and revokes what there
    is: a token of a moment later would be missed, and work once they are back.
    """
    return User.objects.select_for_update(no_key=True).get(pk=person_id)


def require_days(days: int) -> None:
    """Raise TokenError unless a token may be valid for so long."""
    if not 1 <= days <= LONGEST_DAYS:
        raise TokenError(
            f"Choose a validity of 1 to {LONGEST_DAYS} days. Given: {days}.",
            field="days",
        )


def require_own_or(actor: Actor, token: ApiToken, permission: str) -> None:
    """Raise PermissionRefused unless it is one's own token, or by this right."""
    if actor is None or actor.pk != token.user_id or not actor.has_perm(MAKE_OWN):
        require_permission(actor, permission)


def tell_of_token(
    token: ApiToken, what: str, *, actor: Actor, now: dt.datetime
) -> None:
    """Tell a token's owner what somebody else did to it; "made", "revoked"."""
    if actor is not None and actor.pk != token.user_id:
        tell_owner(
            AccountNotice(
                token.user,
                f"account:{token.user_id}:token:{token.pk}:{what}",
                f"Your token “{token.name}” was {what} by {name_of(actor)}",
                now,
            )
        )


@transaction.atomic
def revoke_token(
    *, token_id: int, actor: Actor, reason: str = "", now: dt.datetime | None = None
) -> ApiToken:
    """Revoke a token from now on. One that is revoked already stays as it is.

    Its owner may, and who has the right to revoke any.
    """
    moment = now or timezone.now()
    token = ApiToken.objects.select_for_update().get(pk=token_id)
    require_own_or(actor, token, "evidence.revoke_apitoken")
    if token.revoked_at is None:
        _revoke(token, actor=actor, reason=reason, now=moment)
    return token


def revoke_tokens_of(user: User, *, actor: Actor, reason: str, now: dt.datetime) -> int:
    """Revoke what a person still has, inside the caller's transaction; return how many.

    For who switches an account off, whose permission the caller has checked.
    """
    tokens = list(live_tokens(user, now=now).select_for_update())
    for token in tokens:
        _revoke(token, actor=actor, reason=reason, now=now)
    return len(tokens)


def revoke_tokens_beyond(
    user: User, *, actor: Actor, reason: str, now: dt.datetime
) -> int:
    """Revoke the tokens with a scope that the user's roles no longer give.

    They would come back to life with the role, years later and unseen.
    """
    usable = set(usable_scopes(user))
    beyond = [
        token
        for token in live_tokens(user, now=now).select_for_update()
        if not usable.issuperset(token.scopes)
    ]
    for token in beyond:
        _revoke(token, actor=actor, reason=reason, now=now)
    return len(beyond)


def live_tokens(user: User, *, now: dt.datetime) -> QuerySet[ApiToken]:
    """Return a person's tokens that are neither revoked nor expired."""
    rows = ApiToken.objects.filter(user=user, revoked_at__isnull=True, expiry__gt=now)
    return rows.order_by("pk")


def usable_scopes(user: User) -> list[TokenScope]:
    """Return the scopes that give a token of this person anything to do."""
    return [
        scope
        for scope in TokenScope
        if any(user.has_perm(name) for name in SCOPE_PERMISSIONS[scope])
    ]


def _revoke(token: ApiToken, *, actor: Actor, reason: str, now: dt.datetime) -> None:
    token.revoked_at, token.revoked_by = now, actor
    token.save(update_fields=["revoked_at", "revoked_by"])
    record_entry(
        action="token.revoked",
        actor=actor,
        obj=token,
        reason=reason,
        before={"revoked_at": None},
        after={"revoked_at": now.isoformat()},
        now=now,
    )
    tell_of_token(token, "revoked", actor=actor, now=now)


def note_use(
    token: ApiToken, *, now: dt.datetime, address: Address | None = None
) -> None:
    """Remember that a token was used; within a minute of the last note, do nothing.

    Telemetry and no change of what the token may do: it has no audit entry. A network
    that it never came from before is noted at once.
    """
    if address is not None and network_of(address) not in token.seen_networks:
        note_new_network(token.pk, address, now=now)
    stale = now - NOTE_USE_AFTER
    if token.last_used_at is not None and token.last_used_at > stale:
        return
    ApiToken.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lte=stale),
        pk=token.pk,
        revoked_at__isnull=True,
    ).update(last_used_at=now, last_used_from=str(address) if address else None)


def _require_name(name: str) -> str:
    label = one_line(name)
    if not 1 <= len(label) <= NAME_LENGTH:
        raise TokenError(
            f"Give a name of 1 to {NAME_LENGTH} characters that says what the token "
            f"is for. This one has {len(label)}.",
            field="name",
        )
    return label


def require_usable(user: User, scopes: Collection[str]) -> None:
    """Raise TokenError for scopes that the user's role gives nothing to do with."""
    usable = usable_scopes(user)
    idle = sorted(set(scopes) - set(usable))
    if idle:
        can = ", ".join(usable) or "none"
        raise TokenError(
            f"{user.get_username()} may not do what {', '.join(idle)} is for, and a "
            f"token does no more than its user. What their role allows: {can}.",
            code="scope_beyond_role",
            field="scopes",
        )


def _require_scopes(scopes: Collection[str]) -> list[str]:
    unknown = sorted(set(scopes) - set(TokenScope.values))
    if unknown or not scopes:
        got = ", ".join(unknown) or "none"
        raise TokenError(
            f"Choose one or more of these scopes: {', '.join(TokenScope.values)}. "
            f"Given: {got}.",
            field="scopes",
        )
    return sorted(set(scopes))

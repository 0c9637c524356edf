"""Accounts of single sign-on: made, linked by their owners, their roles followed.

An identity is an issuer and a subject, which the provider never gives to another. An
e-mail address or a name never leads to an account: who can choose theirs there
would be somebody else here.

A linked account is signed in to by the provider alone: who is gone there would come
in by an old password or passkey otherwise. Accounts that are not linked are local, and
stay as they are where the provider is away.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from evidence.accounts.access import Actor, Role, name_of, require_permission
from evidence.accounts.administrators import require_administrator
from evidence.accounts.factors.noting import lock_self, note_change
from evidence.accounts.holdings import list_stranded
from evidence.accounts.names import require_free_name
from evidence.accounts.people import CHANGE, lock_person
from evidence.accounts.provider import Claims
from evidence.accounts.sessions import end_sessions_of
from evidence.accounts.telling import AccountNotice, tell_owner
from evidence.accounts.tokens import revoke_tokens_beyond
from evidence.audit.history import record_entry
from evidence.errors import PermissionRefused, PersonError, SignOnError
from evidence.models import SignInIdentity
from evidence.text import require_text

LOCK = 0x0CA5E1D
"""Two first sign-ins of one identity at once take turns on it."""
LINKED = (
    "This account is linked to {0}: sign in with it. Where it is away, somebody who "
    "works on the server can open the account by break_glass."
)
"""What who tries another way into a linked account is told; takes its name."""
GONE = "The role of its user was taken away by single sign-on."


@transaction.atomic
def admit_by_identity(claims: Claims, *, now: dt.datetime | None = None) -> User | None:
    """Return whose identity this is, with exactly the roles that their groups give.

    None: their groups give none any more. Their roles, sessions and tokens are gone
    then, which is recorded. Somebody unknown is made where OIDC_MAKES_ACCOUNTS says so.
    Raise SignOnError for nobody's identity, and for an account that is switched off.
    """
    moment = now or timezone.now()
    found = _find(claims)
    person = found.user if found else _make_account(claims, moment)
    if not person.is_active:
        raise _refusal(f"{person.get_username()} is switched off")
    if not person.is_staff:
        raise _refusal(f"{person.get_username()} is a machine's account")
    if found is not None:
        found.last_used_at = moment
        found.save(update_fields=["last_used_at"])
    person = _follow_groups(person, claims.groups, moment)
    if _roles_of(person):
        return person
    end_sessions_of(person)
    return None


@transaction.atomic
def link_identity(
    *, actor: User, claims: Claims, now: dt.datetime | None = None
) -> SignInIdentity:
    """Link an identity to one's own account, for which one is signed in.

    A superuser's is not: it is there for when the provider is away.
    """
    person, moment = lock_self(actor), now or timezone.now()
    if person.is_superuser:
        raise _refusal(
            "a superuser's account stays local, for when the provider is away. Link an "
            "account with roles"
        )
    found = _find(claims)
    if found is not None:
        raise _refusal("this identity is linked to an account already")
    if find_identity(person) is not None:
        raise _refusal("your account is linked to another identity")
    if not _map_roles(claims.groups):
        raise _refusal(
            "none of your groups has a role here: you could not sign in any more"
        )
    return _link(person, claims, moment, actor=person)


@transaction.atomic
def unlink_identity(
    *, actor: Actor, person_id: int, reason: str, now: dt.datetime | None = None
) -> User:
    """Make a linked account a local one again, and end its sessions.

    For administrators: an owner who could do it would stay when the provider lets
    them go. So no administrator unlinks their own.
    """
    require_permission(actor, CHANGE)
    person = lock_person(person_id, actor)
    if actor is not None and person.pk == actor.pk:
        raise PermissionRefused("Nobody unlinks their own account: ask a colleague.")
    why, moment = require_text(reason, refusal=PersonError), now or timezone.now()
    taken = take_identities(person)
    if not taken:
        raise SignOnError(
            f"{person.get_username()} is not linked to single sign-on.",
            code="sign_on_missing",
        )
    require_administrator()
    end_sessions_of(person)
    note_change(
        person,
        "person.identity_unlinked",
        f"{name_of(actor)} unlinked single sign-on from your account",
        actor=actor,
        now=moment,
        reason=why,
        before={"identities": taken},
    )
    return person


def take_identities(person: User) -> list[str]:
    """Delete what a locked person is linked to; return it in words."""
    rows = SignInIdentity.objects.filter(user=person)
    taken = [str(row) for row in rows]
    rows.delete()
    return taken


def find_identity(person: User) -> SignInIdentity | None:
    """Return by whom the provider that is configured knows somebody."""
    if not settings.OIDC_ISSUER:
        return None
    rows = SignInIdentity.objects.filter(user=person, issuer=settings.OIDC_ISSUER)
    return rows.first()


def is_linked(person: User) -> bool:
    """Return whether somebody is signed in by the provider alone."""
    return find_identity(person) is not None


def _find(claims: Claims) -> SignInIdentity | None:
    with connection.cursor() as cursor:
        name = f"{settings.OIDC_ISSUER} {claims.subject}"
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, name])
    rows = SignInIdentity.objects.select_for_update(of=("self",))
    return (
        rows.select_related("user")
        .filter(issuer=settings.OIDC_ISSUER, subject=claims.subject)
        .first()
    )


def _make_account(claims: Claims, now: dt.datetime) -> User:
    if not settings.OIDC_MAKES_ACCOUNTS:
        raise _refusal(
            "nobody here is linked to this identity. Sign in with your password and "
            "link it under My factors, or ask an administrator"
        )
    if not _map_roles(claims.groups):
        raise _refusal("none of your groups has a role here")
    person = User(
        username=require_free_name(claims.username or claims.subject),
        email=_find_email(claims),
        is_staff=True,
    )
    person.set_unusable_password()
    person.save(force_insert=True)
    record_entry(
        action="person.created",
        actor=None,
        obj=person,
        reason="Made by single sign-on.",
        after={"username": person.username, "email": person.email},
        now=now,
    )
    identity = _link(person, claims, now, actor=None)
    identity.last_used_at = now
    identity.save(update_fields=["last_used_at"])
    return person


def _find_email(claims: Claims) -> str:
    """Return the address, or none where no mail could go to it."""
    limit = User._meta.get_field("email").max_length or 0
    try:
        validate_email(claims.email)
    except ValidationError:
        return ""
    is_plain = claims.email.isascii() and len(claims.email) <= limit
    return claims.email if is_plain else ""


def _link(
    person: User, claims: Claims, now: dt.datetime, *, actor: User | None
) -> SignInIdentity:
    identity = SignInIdentity.objects.create(
        user=person, issuer=settings.OIDC_ISSUER, subject=claims.subject, added_at=now
    )
    note_change(
        person,
        "person.identity_linked",
        "Single sign-on was linked to your account",
        actor=actor,
        now=now,
        after={"issuer": identity.issuer, "subject": identity.subject},
    )
    return identity


def _follow_groups(person: User, groups: frozenset[str], now: dt.datetime) -> User:
    """Give a person exactly the roles of their groups; the last administrator stays.

    Tokens with a scope beyond the new roles are revoked. What the person leads stays
    with them until somebody takes it over: administrators are told.
    """
    locked = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    before, wanted = _roles_of(locked), _map_roles(groups)
    if before == wanted:
        return locked
    _set_roles(locked, wanted)
    reason = ""
    if Role.ADMINISTRATOR in before - wanted and _nobody_is_left():
        wanted |= {Role.ADMINISTRATOR.value}
        _set_roles(locked, wanted)
        reason = "Nobody else could administer: this role stays until somebody can."
    if before != wanted or reason:
        note_change(
            locked,
            "person.roles_followed",
            "Single sign-on changed your roles",
            actor=None,
            now=now,
            reason=reason,
            before={"roles": sorted(before)},
            after={"roles": sorted(wanted)},
        )
    changed = User.objects.get(pk=locked.pk)
    revoke_tokens_beyond(changed, actor=None, reason=GONE, now=now)
    _tell_of_stranded(changed, now)
    return changed


def _tell_of_stranded(person: User, now: dt.datetime) -> None:
    """Tell administrators of work that somebody holds who may not do it any more."""
    stranded = len(list_stranded(person))
    if not stranded:
        return
    headline = (
        f"Single sign-on took roles from {person.get_username()}, who still holds "
        f"{stranded} {'thing' if stranded == 1 else 'things'} to hand over"
    )
    key = f"account:{person.pk}:stranded:{now.isoformat()}"
    administers = Q(groups__name=Role.ADMINISTRATOR) | Q(is_superuser=True)
    told = User.objects.filter(administers, is_active=True).distinct()
    for other in told.exclude(pk=person.pk).order_by("pk"):
        tell_owner(AccountNotice(other, key, headline, now))


def _map_roles(groups: frozenset[str]) -> set[str]:
    return {role for group, role in settings.OIDC_ROLES if group in groups}


def _roles_of(person: User) -> set[str]:
    return set(person.groups.filter(name__in=list(Role)).values_list("name", flat=True))


def _set_roles(person: User, roles: set[str]) -> None:
    person.groups.remove(*Group.objects.filter(name__in=set(Role) - roles))
    person.groups.add(*Group.objects.filter(name__in=roles))


def _nobody_is_left() -> bool:
    try:
        require_administrator()
    except PersonError:
        return True
    return False


def _refusal(why: str) -> SignOnError:
    return SignOnError(f"Single sign-on is refused: {why}.", code="sign_on_refused")

"""People: their accounts, their roles, their passwords; every change is recorded.

Who may change accounts could otherwise make a reviewer of themselves and undo
every four-eyes rule, so nobody changes their own roles, no service makes a superuser,
and only a superuser touches one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from evidence.accounts.access import Actor, Role, name_of, require_permission
from evidence.accounts.administrators import require_administrator
from evidence.accounts.holdings import Held, hand_over, list_held, list_stranded
from evidence.accounts.names import require_free_name
from evidence.accounts.sessions import end_sessions_of
from evidence.accounts.telling import AccountNotice, tell_owner
from evidence.accounts.tokens import revoke_tokens_beyond, revoke_tokens_of
from evidence.audit.history import record_entry
from evidence.errors import PermissionRefused, PersonError
from evidence.lookalikes import show_hidden
from evidence.text import require_text

ADD = "auth.add_user"
CHANGE = "auth.change_user"


@sensitive_variables("password")
@transaction.atomic
def create_person(
    *,
    actor: Actor,
    username: str,
    roles: Collection[Role],
    password: str,
    email: str = "",
    now: dt.datetime | None = None,
) -> User:
    """Make an account with its roles. A machine gets no password: it has tokens."""
    require_permission(actor, ADD)
    chosen = _require_roles(roles)
    person = User(
        username=require_free_name(username),
        email=_require_email(email),
        is_staff=Role.MACHINE not in chosen,
    )
    if person.is_staff:
        _set_password(person, password)
    else:
        person.set_unusable_password()
    person.save(force_insert=True)
    person.groups.set(Group.objects.filter(name__in=chosen))
    _record("person.created", person, actor, now, after=_state_of(person))
    return person


@transaction.atomic
def change_roles(
    *,
    actor: Actor,
    person_id: int,
    roles: Collection[Role],
    reason: str,
    successor: User | None = None,
    now: dt.datetime | None = None,
) -> User:
    """Give a person exactly these roles; groups that are no role stay.

    What they hold and may no longer do goes to a successor, who has to be named where
    there is anything; tokens with a scope beyond the new roles are revoked for good.
    Who becomes a machine is signed in no longer.
    """
    require_permission(actor, CHANGE)
    person = lock_person(person_id, actor)
    if actor is not None and person.pk == actor.pk:
        raise PermissionRefused("Nobody changes their own roles: ask a colleague.")
    why, chosen = _require_reason(reason), _require_roles(roles)
    before = _state_of(person)
    person.groups.remove(*Group.objects.filter(name__in=list(Role)))
    person.groups.add(*Group.objects.filter(name__in=chosen))
    person.is_staff = Role.MACHINE not in chosen
    person.save(update_fields=["is_staff"])
    after = _state_of(person)
    if before == after:
        return person
    require_administrator()
    if not person.is_staff:
        end_sessions_of(person)
    moment = now or timezone.now()
    _record("person.roles_changed", person, actor, moment, why, before, after)
    # Permissions are remembered by the instance: those of now are on a new one.
    changed = User.objects.get(pk=person.pk)
    held = list_stranded(changed)
    _hand_over(changed, held, successor, actor=actor, reason=why, now=moment)
    revoke_tokens_beyond(
        changed, actor=actor, reason="The role of its user was taken away.", now=moment
    )
    return person


@transaction.atomic
def set_active(
    *,
    actor: Actor,
    person_id: int,
    is_active: bool,
    reason: str,
    successor: User | None = None,
    now: dt.datetime | None = None,
) -> User:
    """Let a person in, or keep them out; their account and history stay.

    Who is kept out hands what they lead and own to a successor, who has to be named
    where there is anything, and their tokens are revoked for good. Sessions end both
    ways: one that began while they were being switched off would come back with them.
    """
    require_permission(actor, CHANGE)
    person = lock_person(person_id, actor)
    if actor is not None and person.pk == actor.pk:
        raise PermissionRefused("Nobody switches off their own account.")
    why = _require_reason(reason)
    if person.is_active == is_active:
        return person
    moment = now or timezone.now()
    before = _state_of(person)
    person.is_active = is_active
    person.save(update_fields=["is_active"])
    end_sessions_of(person)
    if not is_active:
        require_administrator()
        held = list_held(person)
        _hand_over(person, held, successor, actor=actor, reason=why, now=moment)
        revoke_tokens_of(
            person, actor=actor, reason="The account was switched off.", now=moment
        )
    action = "person.reactivated" if is_active else "person.deactivated"
    _record(action, person, actor, moment, why, before, _state_of(person))
    return person


@transaction.atomic
def change_email(
    *,
    actor: Actor,
    person_id: int,
    email: str,
    reason: str,
    now: dt.datetime | None = None,
) -> User:
    """Set where a person's mail goes; empty: nowhere. The old address is recorded."""
    require_permission(actor, CHANGE)
    person = lock_person(person_id, actor)
    why = _require_reason(reason)
    return _set_email(person, email, "person.email_changed", actor, now, why)


@transaction.atomic
def change_own_email(
    *, actor: User, email: str, now: dt.datetime | None = None
) -> User:
    """Set where one's own mail goes; the old address is recorded."""
    if not actor.is_active:
        raise PermissionRefused(f"{actor.get_username()} is switched off.")
    person = User.objects.select_for_update().get(pk=actor.pk)
    return _set_email(person, email, "person.own_email_changed", actor, now)


@sensitive_variables("password")
@transaction.atomic
def reset_password(
    *,
    actor: Actor,
    person_id: int,
    password: str,
    reason: str,
    now: dt.datetime | None = None,
) -> User:
    """Set a person's password, which ends their sessions; neither is recorded."""
    require_permission(actor, CHANGE)
    person = lock_person(person_id, actor)
    why = _require_reason(reason)
    if not person.is_staff:
        raise PersonError(
            "A machine does not sign in and has no password. Make it a token.",
            field="password",
        )
    _set_password(person, password)
    person.save(update_fields=["password"])
    _record("person.password_reset", person, actor, now, why)
    _tell(person, now, "password", f"{name_of(actor)} set a new password for you")
    return person


@sensitive_variables("password")
@transaction.atomic
def change_own_password(
    *, actor: User, password: str, now: dt.datetime | None = None
) -> User:
    """Set one's own password, which ends one's other sessions; it is not recorded.

    That the old one was given is the page's to ask.
    """
    person = User.objects.select_for_update().get(pk=actor.pk)
    _set_password(person, password)
    person.save(update_fields=["password"])
    _record("person.password_changed", person, actor, now)
    _tell(person, now, "password", "Your password was changed, by your own account")
    return person


def record_password_set(person: User, *, now: dt.datetime | None = None) -> None:
    """Record that a command on the server set a password; nobody is signed in there."""
    _record(
        "person.password_reset",
        person,
        None,
        now,
        "Set on the server, by manage.py changepassword.",
    )
    _tell(person, now, "password", "A new password was set for you on the server")


def record_superuser_made(person: User, *, now: dt.datetime | None = None) -> None:
    """Record that a command on the server made an account that may do everything."""
    after = _state_of(person) | {"is_superuser": True}
    _record("person.created", person, None, now, after=after)


def lock_person(person_id: int, actor: Actor) -> User:
    """Lock an account for a change. Raise PermissionRefused for a superuser's."""
    # Weaker than a plain lock: who works a case of theirs is not held up, and two who
    # take a case and a person in the other order do not wait for each other.
    person = User.objects.select_for_update(no_key=True).get(pk=person_id)
    if person.is_superuser and actor is not None and not actor.is_superuser:
        raise PermissionRefused("Only a superuser changes a superuser's account.")
    return person


def _require_roles(roles: Collection[Role]) -> list[str]:
    unknown = sorted(set(roles) - set(Role))
    if unknown or not roles:
        got = ", ".join(unknown) or "none"
        raise PersonError(
            f"Choose one or more of these roles: {', '.join(Role)}. Given: {got}.",
            field="roles",
        )
    if Role.MACHINE in roles and len(set(roles)) > 1:
        raise PersonError(
            "A machine has no other role: make a second account.", field="roles"
        )
    return sorted({Role(role).value for role in roles})


def _hand_over(
    person: User,
    held: Sequence[Held],
    successor: User | None,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    """Give away what somebody holds and is not to hold any longer."""
    if held and successor is None:
        raise PersonError(
            f"{person.get_username()} still holds {len(held)} of the things listed "
            "here, such as the lead of a case or an action item: choose who takes "
            "them over.",
            code="successor_missing",
            field="successor",
        )
    if held and successor is not None:
        hand_over(person, successor, actor=actor, reason=reason, now=now)


def _require_email(email: str) -> str:
    """Return an address as it is kept; refuse what no mail could go to."""
    address = email.strip()
    if not address:
        return ""
    limit = User._meta.get_field("email").max_length or 0
    try:
        validate_email(address)
    except ValidationError as error:
        raise PersonError(
            f"“{show_hidden(address[:80])}” is no e-mail address. Write one such as "
            "ada@example.org, or leave it empty.",
            code="email_invalid",
            field="email",
        ) from error
    if len(address) > limit or not address.isascii():
        raise PersonError(
            f"An e-mail address has at most {limit} characters, and plain letters "
            "only: others look alike, and mail would go astray.",
            code="email_invalid",
            field="email",
        )
    return address


def _set_email(
    person: User,
    email: str,
    action: str,
    actor: Actor,
    now: dt.datetime | None,
    reason: str = "",
) -> User:
    """Write a locked person's address and record it, where it differs."""
    address = _require_email(email)
    if address == person.email:
        return person
    before, person.email = person.email, address
    person.save(update_fields=["email"])
    _record(action, person, actor, now, reason, {"email": before}, {"email": address})
    who = "You" if actor == person else name_of(actor)
    _tell(person, now, "email", f"{who} changed where your mail goes", also_to=before)
    return person


def _require_reason(reason: str) -> str:
    return require_text(reason, refusal=PersonError)


def _set_password(person: User, password: str) -> None:
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise PersonError(
            f"The password cannot be used. {' '.join(error.messages)}", field="password"
        ) from error
    person.set_password(password)


def _state_of(person: User) -> dict[str, Any]:
    roles = person.groups.order_by("name").values_list("name", flat=True)
    return {
        "username": person.username,
        "email": person.email,
        "roles": list(roles),
        "is_active": person.is_active,
    }


def _tell(
    person: User, now: dt.datetime | None, what: str, headline: str, also_to: str = ""
) -> None:
    at = now or timezone.now()
    key = f"account:{person.pk}:{what}:{at.isoformat()}"
    tell_owner(AccountNotice(person, key, headline, at, also_to))


def _record(
    action: str,
    person: User,
    actor: Actor,
    now: dt.datetime | None,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    record_entry(
        action=action,
        actor=actor,
        obj=person,
        reason=reason,
        before=before,
        after=after,
        now=now or timezone.now(),
    )

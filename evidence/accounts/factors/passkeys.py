"""Passkeys (WebAuthn level 3): added, shown, removed. The checks are python-fido2's.

Challenges are random and used once: the page keeps each in the session and takes it out
before the answer is looked at. User verification (a finger, a face, a PIN) is required,
so that a passkey is two factors and signs in alone. No attestation is asked for: which
makes of keys people use is nobody's business here.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from evidence.accounts.factors.held import find_factors
from evidence.accounts.factors.noting import (
    forget_codes_without_factor,
    lock_self,
    note_change,
    require_another,
)
from evidence.errors import FactorError
from evidence.models import Passkey
from evidence.text import one_line

HANDLE_BYTES = 32
MOST_PASSKEYS = 20
LONGEST_ID = 1023
"""WebAuthn level 3, section 7.1: a longer credential id is refused."""
UNREADABLE = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error),
    *(AssertionError, NotImplementedError, RecursionError),
)
"""What python-fido2 raises for an answer that is malformed, forged or not for us."""
State = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a browser is asked, as JSON for its script, and what the session keeps."""

    options: str
    state: dict[str, Any]


def find_site() -> str:
    """Return the host name that passkeys are bound to."""
    return urlsplit(settings.CASEFILE_BASE_URL).hostname or ""


def find_obstacle(host: str) -> str:
    """Return why a browser at this host could use no passkey here; "" where it can."""
    site = find_site()
    if _is_address(site):
        return (
            "Browsers have passkeys for host names only, not for an address such as "
            f"{site}. Have CASEFILE_BASE_URL name a host (for a try on one machine: "
            "localhost), and open Casefile there"
        )
    if host != site:
        return f"Passkeys work at {site} only. Open Casefile there"
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def ask_to_add(person: User) -> Asked:
    """Return what a browser is asked to make a new passkey of a person."""
    held = list(Passkey.objects.filter(user=person))
    handle = bytes(held[0].user_handle) if held else secrets.token_bytes(HANDLE_BYTES)
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(
            id=handle, name=person.get_username(), display_name=person.get_username()
        ),
        credentials=_describe(held),
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Asked(_as_json(options), {**state, "handle": handle.hex()})


@transaction.atomic
def add_passkey(
    *, actor: User, name: str, state: State, answer: str, now: dt.datetime | None = None
) -> Passkey:
    """Keep a passkey that answered what was asked. Raise FactorError otherwise."""
    person, moment = lock_self(actor), now or timezone.now()
    label, data = _require_name(person, name), _read_new(state, answer)
    credential = data.credential_data
    if credential is None or not _is_usable(credential):
        raise _refusal()
    passkey = Passkey(
        user=person,
        name=label,
        credential_id=credential.credential_id,
        credential=bytes(credential),
        user_handle=bytes.fromhex(state["handle"]),
        sign_count=data.counter,
        added_at=moment,
    )
    _keep(passkey)
    note_change(
        person,
        "person.passkey_added",
        f"A passkey was added to your account: {label}",
        actor=person,
        now=moment,
        after={"name": label},
    )
    return passkey


@transaction.atomic
def remove_passkey(
    *, actor: User, passkey_id: int, now: dt.datetime | None = None
) -> None:
    """Forget one of one's own passkeys. It is gone, or somebody else's: do nothing."""
    person, moment = lock_self(actor), now or timezone.now()
    passkey = Passkey.objects.filter(user=person, pk=passkey_id).first()
    if passkey is None:
        return
    require_another(person, find_factors(person))
    passkey.delete()
    forget_codes_without_factor(person, find_factors(person))
    note_change(
        person,
        "person.passkey_removed",
        f"A passkey of your account was removed, by your own account: {passkey.name}",
        actor=person,
        now=moment,
        before={"name": passkey.name},
    )


def ask_to_show(person: User | None) -> Asked:
    """Return what a browser is asked to show a passkey: this person's, or anybody's."""
    held = Passkey.objects.filter(user=person) if person else None
    options, state = _server().authenticate_begin(
        credentials=_describe(list(held)) if held is not None else None,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Asked(_as_json(options), dict(state))


@transaction.atomic
def use_passkey(
    *,
    state: State,
    answer: str,
    person: User | None = None,
    now: dt.datetime | None = None,
) -> User | None:
    """Return whose passkey answered what was asked; None where the answer is wrong.

    With a person, only theirs are taken. One whose counter did not move on may be a
    copy: it is refused, recorded, and its owner told.
    """
    moment = now or timezone.now()
    try:
        given = AuthenticationResponse.from_dict(json.loads(answer))
        credential_id = bytes(given.raw_id)
    except UNREADABLE:
        return None
    rows = Passkey.objects.select_for_update().select_related("user")
    rows = rows.filter(credential_id=credential_id, user__is_active=True)
    passkey = (rows.filter(user=person) if person else rows).first()
    if passkey is None or not _is_right(passkey, state, given):
        return None
    counter = given.response.authenticator_data.counter
    if (counter or passkey.sign_count) and counter <= passkey.sign_count:
        _refuse_copy(passkey, counter, moment)
        return None
    passkey.sign_count, passkey.last_used_at = counter, moment
    passkey.save(update_fields=["sign_count", "last_used_at"])
    return passkey.user


def _is_right(passkey: Passkey, state: State, given: AuthenticationResponse) -> bool:
    handle = given.response.user_handle
    if handle is not None and not constant_time_compare(
        bytes(handle), bytes(passkey.user_handle)
    ):
        return False
    credential = AttestedCredentialData(bytes(passkey.credential))
    try:
        _server().authenticate_complete(state, [credential], given)
    except UNREADABLE:
        return False
    return True


def _refuse_copy(passkey: Passkey, counter: int, now: dt.datetime) -> None:
    note_change(
        passkey.user,
        "person.passkey_refused",
        f"A passkey of yours was refused: {passkey.name}. It may have been copied",
        actor=None,
        now=now,
        before={"name": passkey.name, "counter": passkey.sign_count},
        after={"counter": counter},
    )


def _server() -> Fido2Server:
    site = PublicKeyCredentialRpEntity(id=find_site(), name="Casefile")
    return Fido2Server(site, verify_origin=_is_our_origin)


def _is_our_origin(origin: str) -> bool:
    return bool(origin == settings.CASEFILE_BASE_URL)


def _describe(held: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            type=PublicKeyCredentialType.PUBLIC_KEY, id=bytes(one.credential_id)
        )
        for one in held
    ]


def _as_json(options: Any) -> str:
    return json.dumps(dict(options.public_key))


def _read_new(state: State, answer: str) -> AuthenticatorData:
    try:
        given = RegistrationResponse.from_dict(json.loads(answer))
        return _server().register_complete(state, given)
    except UNREADABLE as error:
        raise _refusal() from error


def _is_usable(credential: AttestedCredentialData) -> bool:
    """Return whether its key is of a kind that was asked for, and its id of a length.

    Another key would be kept, named and counted as a factor, and open nothing.
    """
    asked_for = {each.alg for each in _server().allowed_algorithms}
    is_named = 1 <= len(credential.credential_id) <= LONGEST_ID
    return is_named and credential.public_key.get(3) in asked_for


def _keep(passkey: Passkey) -> None:
    """Write it down. Of two people who add one at once, the second is refused."""
    try:
        with transaction.atomic():
            passkey.save(force_insert=True)
    except IntegrityError as error:
        raise FactorError(
            "This passkey is known here already. Use another device or key.",
            code="passkey_known",
        ) from error


def _refusal() -> FactorError:
    return FactorError(
        "The passkey could not be added: what the browser sent is not the answer to "
        "what it was asked. Load the page again and try once more.",
        code="passkey_refused",
    )


def _require_name(person: User, name: str) -> str:
    label = one_line(name)
    limit = Passkey._meta.get_field("name").max_length or 0
    if not label or len(label) > limit:
        raise FactorError(
            f"Give a name of 1 to {limit} characters, such as “Office laptop”.",
            field="name",
        )
    if Passkey.objects.filter(user=person).count() >= MOST_PASSKEYS:
        raise FactorError(
            f"You have {MOST_PASSKEYS} passkeys, the most there may be. Remove one "
            "that you do not use.",
        )
    return label

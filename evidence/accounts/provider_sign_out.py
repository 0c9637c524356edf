"""Signing out at the provider of single sign-on ends the sessions that it began here.

OpenID Connect Back-Channel Logout 1.0, section 2.6: the provider sends a token that it
signed, from server to server. Every check of that section is made; what the standard
leaves open is decided for the stricter. A token is taken once, and for a short time;
and it ends no session that began after it was issued, so that one that is sent again
could end nothing new even where the note of it was lost.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from redis.exceptions import RedisError
from requests import RequestException

from evidence.accounts.provider import (
    FAULTS,
    LEEWAY_SECONDS,
    SIGNED_BY_KEY_PAIR,
    Claims,
    fetch_keys,
    unreachable,
)
from evidence.accounts.sessions import SIGNED_IN
from evidence.audit.history import record_entry
from evidence.errors import SignOnError
from evidence.models import SignInIdentity

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPES = ("logout+jwt", "application/logout+jwt", "jwt", "")
"""What its header may call itself. Other kinds of token are none of these."""
MOST_AGE = dt.timedelta(minutes=10)
"""How long ago a token may have been issued: providers send it at once."""
LONGEST_TOKEN = 16_384
KEYS_SECONDS, AGAIN_SECONDS = 300, 10
"""How long the provider's keys are kept, and how soon they are asked for again for a
key that is not among them: anybody can send a token that names one."""
NOTED = "provider_session"
"""A session's own note: who it is at the provider, and which session of theirs."""


@dataclass(frozen=True)
class SignOut:
    """Whom the provider signed out: a subject, one session of theirs, or both."""

    subject: str
    session: str
    token_id: str
    issued_at: dt.datetime


def note_provider_session(session: Any, claims: Claims) -> None:
    """Write down in a session by which session at the provider it began."""
    session[NOTED] = {
        "issuer": settings.OIDC_ISSUER,
        "subject": claims.subject,
        "session": claims.session,
    }


def read_sign_out(token: str, *, now: dt.datetime | None = None) -> SignOut:
    """Return what a token says; raise SignOnError for one that is not to be taken."""
    moment = now or timezone.now()
    if len(token) > LONGEST_TOKEN:
        raise _refusal("the token is too long")
    try:
        found = _decode(token)
        _check_standard(found.claims, moment)
    except RequestException as error:
        raise unreachable(error) from error
    except FAULTS as error:
        raise _refusal("its signature or its claims do not hold") from error
    if str(found.header.get("typ") or "").lower() not in TYPES:
        raise _refusal("it is another kind of token")
    return _read(found.claims, moment)


@transaction.atomic
def end_signed_out(sign_out: SignOut, *, now: dt.datetime | None = None) -> int:
    """End the sessions that the provider ended; return how many. Each is taken once."""
    if _was_taken(sign_out):
        raise _refusal("it was taken already")
    ended: dict[int, list[str]] = defaultdict(list)
    keys = []
    for key, person_id, address in _find_sessions(sign_out):
        keys.append(key)
        ended[person_id].append(address)
    Session.objects.filter(pk__in=keys).delete()
    for person in User.objects.filter(pk__in=ended).order_by("pk"):
        record_entry(
            action="person.signed_out_by_provider",
            actor=None,
            obj=person,
            reason="Signed out at the provider of single sign-on.",
            before={"addresses": sorted(set(ended[person.pk]))},
            after={"ended": len(ended[person.pk])},
            now=now,
        )
    transaction.on_commit(lambda: _note_taken(sign_out))
    return len(keys)


def _find_sessions(sign_out: SignOut) -> Iterator[tuple[str, int, str]]:
    """Yield key, person and address of each session.

    One that is half signed in is of nobody yet, and one in which somebody else is
    signed in meanwhile is not meant.
    """
    latest = sign_out.issued_at + dt.timedelta(seconds=LEEWAY_SECONDS)
    for row in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        held = row.get_decoded()
        if not _is_meant(held.get(NOTED), sign_out):
            continue
        begun = held.get(SIGNED_IN) or {}
        began_at = begun.get("at")
        if began_at and dt.datetime.fromisoformat(began_at) > latest:
            continue
        person = _find_person(held[NOTED]["subject"])
        if held.get(SESSION_KEY) in (None, str(person)):
            yield row.session_key, person, begun.get("address") or "unknown"


def _is_meant(noted: Any, sign_out: SignOut) -> bool:
    return (
        isinstance(noted, dict)
        and noted.get("issuer") == settings.OIDC_ISSUER
        and sign_out.subject in ("", noted.get("subject"))
        and sign_out.session in ("", noted.get("session"))
    )


def _find_person(subject: str) -> int:
    """Return the key of whose identity this is; 0 where it is nobody's any more."""
    rows = SignInIdentity.objects.filter(issuer=settings.OIDC_ISSUER, subject=subject)
    return rows.values_list("user_id", flat=True).first() or 0


def _decode(token: str) -> Any:
    registry = JWSRegistry(
        algorithms=list(SIGNED_BY_KEY_PAIR), strict_check_header=False
    )
    try:
        return jwt.decode(token, _find_keys(), registry=registry)
    except InvalidKeyIdError:
        if not _may_ask_again():
            raise
        return jwt.decode(token, _find_keys(anew=True), registry=registry)


def _check_standard(claims: dict[str, Any], now: dt.datetime) -> None:
    jwt.JWTClaimsRegistry(
        now=lambda: int(now.timestamp()),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": settings.OIDC_ISSUER},
        aud={"essential": True, "value": settings.OIDC_CLIENT_ID},
        iat={"essential": True},
        exp={"essential": True},
        jti={"essential": True},
    ).validate(claims)


def _read(claims: dict[str, Any], now: dt.datetime) -> SignOut:
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise _refusal("it says of no event that somebody signed out")
    if "nonce" in claims:
        raise _refusal("it has a nonce, as tokens for signing in have")
    # Before it is made a moment: some numbers are in no calendar, and NaN is no number.
    if not claims["iat"] >= (now - MOST_AGE).timestamp():
        raise _refusal("it was issued too long ago")
    issued_at = dt.datetime.fromtimestamp(claims["iat"], tz=dt.UTC)
    found = SignOut(
        _read_word(claims, "sub"),
        _read_word(claims, "sid"),
        _read_word(claims, "jti"),
        issued_at,
    )
    if not found.token_id or not (found.subject or found.session):
        raise _refusal("it names nobody and no session")
    return found


def _read_word(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not re.fullmatch(r"[ -~]{1,255}", value):
        raise _refusal(f"its {name} is no name")
    return value


def _find_keys(*, anew: bool = False) -> KeySet:
    name = f"oidc-keys:{_digest(settings.OIDC_ISSUER)}"
    kept: Any = None if anew else _ask_cache(lambda: cache.get(name))
    if kept is None:
        kept = fetch_keys()
        _ask_cache(lambda: cache.set(name, kept, timeout=KEYS_SECONDS))
    return KeySet.import_key_set(kept)


def _may_ask_again() -> bool:
    name = f"oidc-keys-again:{_digest(settings.OIDC_ISSUER)}"
    return bool(_ask_cache(lambda: cache.add(name, 1, timeout=AGAIN_SECONDS)))


def _was_taken(sign_out: SignOut) -> bool:
    return _ask_cache(lambda: cache.get(_taken_key(sign_out))) is not None


def _note_taken(sign_out: SignOut) -> None:
    seconds = int(MOST_AGE.total_seconds()) + 2 * LEEWAY_SECONDS
    _ask_cache(lambda: cache.set(_taken_key(sign_out), 1, timeout=seconds))


def _taken_key(sign_out: SignOut) -> str:
    return f"oidc-ended:{_digest(f'{settings.OIDC_ISSUER} {sign_out.token_id}')}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _ask_cache(ask: Any) -> Any:
    """Return what the cache says; None where it is away: ending goes on without it."""
    try:
        return ask()
    except (RedisError, OSError):
        return None


def _refusal(why: str) -> SignOnError:
    return SignOnError(f"The sign-out was not taken: {why}.")

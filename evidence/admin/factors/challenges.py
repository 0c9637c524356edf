"""What browsers were asked to answer with a passkey: kept in the session, used once."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import user_login_failed
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from evidence.accounts.factors.passkeys import (
    Asked,
    ask_to_show,
    find_obstacle,
    find_site,
    use_passkey,
)
from evidence.wording import end_sentence

ASKED = "passkey_asked"
TIME_FOR_IT = dt.timedelta(minutes=5)
WRONG = "This passkey could not be used. Try again, or use another way."


def keep_challenge(request: HttpRequest, purpose: str, asked: Asked) -> str:
    """Note in the session what was asked for a purpose; return it for the script."""
    request.session[ASKED] = {
        "purpose": purpose,
        "state": asked.state,
        "at": timezone.now().isoformat(),
    }
    return asked.options


def take_challenge(request: HttpRequest, purpose: str) -> dict[str, Any] | None:
    """Return what was asked for this purpose, which is thereby used; None: nothing."""
    kept = request.session.pop(ASKED, None)
    if not isinstance(kept, dict) or kept["purpose"] != purpose:
        return None
    if timezone.now() - dt.datetime.fromisoformat(kept["at"]) > TIME_FOR_IT:
        return None
    state: dict[str, Any] = kept["state"]
    return state


def ask_for_passkey(request: HttpRequest, purpose: str, person: User | None) -> str:
    """Return what the page's script asks the browser; "" where it could not answer.

    A passkey belongs to the host of CASEFILE_BASE_URL, and works on no other.
    """
    if obstacle_of(request):
        return ""
    return keep_challenge(request, purpose, ask_to_show(person))


def obstacle_of(request: HttpRequest) -> str:
    """Return why this browser can use no passkey here, as a sentence; "": it can."""
    return end_sentence(find_obstacle(_host_of(request)))


def is_at_home(request: HttpRequest) -> bool:
    """Return whether the browser is at the host of CASEFILE_BASE_URL."""
    return _host_of(request) == find_site()


def _host_of(request: HttpRequest) -> str:
    return urlsplit(f"//{request.get_host()}").hostname or ""


def prove_passkey(
    request: HttpRequest, purpose: str, person: User | None = None
) -> User | None:
    """Return whose passkey the form's `answer` shows; a failure counts as a sign-in's.

    A signature cannot be guessed, so a right one is taken whatever is locked. Where
    nobody is named yet, failures count for the address alone.
    """
    state, answer = take_challenge(request, purpose), request.POST.get("answer", "")
    found = use_passkey(state=state, answer=answer, person=person) if state else None
    if found is None:
        name = person.get_username() if person else None
        user_login_failed.send(
            sender=__name__, credentials={"username": name}, request=request
        )
    return found

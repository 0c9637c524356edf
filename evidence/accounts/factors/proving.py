"""Whether somebody shows a factor of theirs: at a sign-in, and when asked again.

What fails counts as a failed sign-in does: it has the limits of evidence/accounts/
sign_in_limits.py, is recorded and told. Only who gave the password gets this far, so
nobody can use it to lock a named person out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from evidence.accounts.devices import find_device, forget_device_failures
from evidence.accounts.factors.authenticator import use_authenticator
from evidence.accounts.factors.codes import DIGITS
from evidence.accounts.factors.recovery import use_recovery_code

SHOWN = "second_factor"
"""A session's own note: the factor that its person has shown."""


class SignInWay(StrEnum):
    """How somebody showed who they are, in the words of the history."""

    PASSWORD = "password"  # noqa: S105  (a word, no password)
    APP = "authenticator app"
    RECOVERY = "recovery code"
    PASSKEY = "passkey"
    SINGLE = "single sign-on"
    SINGLE_STRONG = "single sign-on with a second factor"


FACTORS = frozenset(
    {
        SignInWay.APP,
        SignInWay.RECOVERY,
        SignInWay.PASSKEY,
        SignInWay.SINGLE_STRONG,
    }
)
"""What counts as a second factor."""
SINGLE_WAYS = frozenset({SignInWay.SINGLE, SignInWay.SINGLE_STRONG})


class CodeBackend(BaseBackend):
    """Django's door for codes: axes stands before it as before passwords."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        factor_token: str | None = None,
        **others: Any,
    ) -> User | None:
        """Return the person whose code this is. Its name keeps it out of signals."""
        if not username or not factor_token:
            return None
        person = User.objects.filter(username=username, is_active=True).first()
        if person is None:
            return None
        code = "".join(factor_token.split())
        use = use_authenticator if is_app_code(code) else use_recovery_code
        return person if use(person=person, code=code) else None


def is_app_code(code: str) -> bool:
    """Return whether this is written as an app's codes are; recovery codes are not."""
    return len(code) == DIGITS and code.isascii() and code.isdigit()


@sensitive_variables("code")
def prove_code(request: HttpRequest, person: User, code: str) -> SignInWay | None:
    """Return what was shown, where the code is one of the person's; else None."""
    found = authenticate(request, username=person.get_username(), factor_token=code)
    if found is None or found.pk != person.pk:
        return None
    if device := find_device(request, person):
        forget_device_failures(device)
    is_of_app = is_app_code("".join(code.split()))
    return SignInWay.APP if is_of_app else SignInWay.RECOVERY


def note_factor(session: Any, way: SignInWay) -> None:
    """Write down in a session that its person has shown a factor."""
    session[SHOWN] = way.value


def has_shown_factor(session: Any) -> bool:
    """Return whether a factor was shown in this session."""
    return bool(session.get(SHOWN))

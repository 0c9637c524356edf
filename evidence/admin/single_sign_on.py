"""The provider of single sign-on: signing in, linking one's account, showing presence.

Each begins by a link that leads there, and ends at one address, to which the browser
is sent back. The session notes in between what it is for.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import user_login_failed
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from evidence.accounts.factors.held import has_factor, must_have_factor
from evidence.accounts.factors.proving import (
    SignInWay,
    has_shown_factor,
    note_factor,
)
from evidence.accounts.identities import (
    admit_by_identity,
    find_identity,
    link_identity,
)
from evidence.accounts.presence import note_presence
from evidence.accounts.provider import (
    LEEWAY_SECONDS,
    Claims,
    lead_to_provider,
    read_claims,
)
from evidence.accounts.provider_sign_out import note_provider_session
from evidence.accounts.sign_in_limits import FAILURE_REASON
from evidence.admin.base import find_next
from evidence.admin.factors.challenges import is_at_home
from evidence.admin.factors.second_step import begin_second_step
from evidence.admin.presence_page import NAME as CONFIRM
from evidence.admin.presence_page import ask_presence
from evidence.admin.welcome import welcome
from evidence.errors import PersonError, SignOnError

log = logging.getLogger(__name__)

NAME, RETURN = "sign-in-single", "sign-in-single-return"
NOTED = "single_sign_on"
"""A session's own note: what the way to the provider is for."""
OWN_PAGE = "admin:auth_user_factors"
UNCOUNTED = frozenset({"sign_on_unasked", "sign_on_unreachable"})
"""What is no failed sign-in: nobody asked, or the provider was away."""


class Purpose(StrEnum):
    SIGN_IN = "sign-in"
    LINK = "link"
    PRESENCE = "presence"


@dataclass(frozen=True)
class Noted:
    """Why somebody went to the provider, who and when, and where they want to be."""

    purpose: str
    person: int | None
    at: str
    next: str


@never_cache
@require_safe
def single_sign_on(request: HttpRequest) -> HttpResponse:
    """Lead to the provider. `for` is `sign-in`, the default, `link` or `presence`.

    Linking takes the token of one's own page, and has the provider ask anew: nobody's
    page can have somebody link who happens to be signed in there.
    """
    if not settings.OIDC_ISSUER:
        raise Http404
    purpose = _read_purpose(request)
    if not is_at_home(request):
        messages.error(
            request,
            f"Single sign-on works at {settings.CASEFILE_BASE_URL} only. Open "
            "Casefile there.",
        )
        return _lead_back(request, purpose, find_next(request))
    person = request.user if isinstance(request.user, User) else None
    if purpose != Purpose.SIGN_IN and person is None:
        return HttpResponseRedirect(reverse("admin:login"))
    if purpose == Purpose.LINK:
        if not constant_time_compare(request.GET.get("token", ""), link_token(request)):
            messages.error(request, "This link was out of date. Use the one here.")
            return HttpResponseRedirect(reverse(OWN_PAGE))
        if (asked := ask_presence(request)) is not None:
            return asked
    request.session[NOTED] = asdict(
        Noted(
            purpose,
            person.pk if person else None,
            timezone.now().isoformat(),
            find_next(request),
        )
    )
    shows_anew = purpose != Purpose.SIGN_IN
    try:
        return lead_to_provider(request, _return_url(), shows_anew=shows_anew)
    except SignOnError as error:
        return _refuse(request, error, purpose, find_next(request))


@never_cache
@require_safe
def single_sign_on_return(request: HttpRequest) -> HttpResponse:
    """Take the provider's answer: sign in, link, or note presence of whom it names."""
    if not settings.OIDC_ISSUER:
        raise Http404
    noted = _take_note(request)
    purpose = Purpose(noted.purpose)
    answers = {
        Purpose.SIGN_IN: _sign_in,
        Purpose.LINK: _link,
        Purpose.PRESENCE: _show_presence,
    }
    try:
        return answers[purpose](request, read_claims(request), noted)
    except PersonError as error:
        return _refuse(request, error, purpose, noted.next)


def link_token(request: HttpRequest) -> str:
    """Return what shows that a link there stood on this session's own page."""
    return salted_hmac(NOTED, request.session.session_key or "").hexdigest()


def _sign_in(request: HttpRequest, claims: Claims, noted: Noted) -> HttpResponse:
    person = admit_by_identity(claims)
    if person is None:
        raise _refusal("none of your groups has a role here any more")
    note_provider_session(request.session, claims)
    is_strong = claims.has_second_factor
    ways = (SignInWay.SINGLE_STRONG if is_strong else SignInWay.SINGLE,)
    if has_factor(person) and not is_strong:
        return begin_second_step(request, person, ways, noted.next)
    return welcome(request, person, ways, noted.next, shown_at=claims.shown_at)


def _link(request: HttpRequest, claims: Claims, noted: Noted) -> HttpResponse:
    person = _person_of(request, noted)
    _require_shown_now(claims, noted)
    link_identity(actor=person, claims=claims)
    messages.success(
        request, f"Linked: from now on you sign in with {settings.OIDC_NAME}."
    )
    return HttpResponseRedirect(reverse(OWN_PAGE))


def _show_presence(request: HttpRequest, claims: Claims, noted: Noted) -> HttpResponse:
    """Note that the session's own person showed who they are, and nobody else."""
    person = _person_of(request, noted)
    shown_at = _require_shown_now(claims, noted)
    identity = find_identity(person)
    if identity is None or identity.subject != claims.subject:
        raise _refusal("it was somebody else who signed in there")
    if claims.has_second_factor:
        note_factor(request.session, SignInWay.SINGLE_STRONG)
    elif lacks_own_factor(request, person):
        raise _refusal("show your own second factor: your role needs it")
    note_presence(request.session, now=shown_at)
    return HttpResponseRedirect(noted.next)


def lacks_own_factor(request: HttpRequest, person: User) -> bool:
    """Return whether only a factor that somebody has here lets their role go on."""
    shown = has_shown_factor(request.session)
    return not shown and has_factor(person) and must_have_factor(person)


def _require_shown_now(claims: Claims, noted: Noted) -> dt.datetime:
    """Return when they showed who they are, which is after they were led there."""
    asked_at = dt.datetime.fromisoformat(noted.at)
    earliest = asked_at - dt.timedelta(seconds=LEEWAY_SECONDS)
    if claims.shown_at is None:
        raise _refusal(
            "it does not say when you signed in there (auth_time). Use a passkey or an "
            "authenticator app"
        )
    if claims.shown_at < earliest:
        raise _refusal("it has not asked you again who you are")
    return claims.shown_at


def _person_of(request: HttpRequest, noted: Noted) -> User:
    person = request.user
    if not isinstance(person, User) or person.pk != noted.person:
        raise _refusal("somebody else is signed in here now. Begin again")
    return person


def _read_purpose(request: HttpRequest) -> Purpose:
    try:
        return Purpose(request.GET.get("for", Purpose.SIGN_IN))
    except ValueError:
        raise Http404 from None


def _take_note(request: HttpRequest) -> Noted:
    kept: Any = request.session.pop(NOTED, None)
    if not isinstance(kept, dict):
        return Noted(Purpose.SIGN_IN, None, "", reverse("admin:index"))
    return Noted(**kept)


def _refuse(
    request: HttpRequest, error: PersonError, purpose: Purpose, target: str
) -> HttpResponse:
    """Show what failed; count and record it as a failed sign-in where it is one."""
    log.warning("%s: %s", purpose, error.message)
    if error.code not in UNCOUNTED:
        setattr(request, FAILURE_REASON, error.message)
        user_login_failed.send(
            sender=__name__, credentials={"username": None}, request=request
        )
    messages.error(request, error.message)
    return _lead_back(request, purpose, target)


def _lead_back(request: HttpRequest, purpose: Purpose, target: str) -> HttpResponse:
    """Lead to the page from which somebody went to the provider."""
    query = f"?{urlencode({'next': target})}"
    if purpose == Purpose.LINK and request.user.is_authenticated:
        return HttpResponseRedirect(reverse(OWN_PAGE))
    if purpose == Purpose.PRESENCE and request.user.is_authenticated:
        return HttpResponseRedirect(f"{reverse(CONFIRM)}{query}")
    return HttpResponseRedirect(f"{reverse('admin:login')}{query}")


def _return_url() -> str:
    return f"{settings.CASEFILE_BASE_URL}{reverse(RETURN)}"


def _refusal(why: str) -> SignOnError:
    return SignOnError(f"Single sign-on is refused: {why}.")

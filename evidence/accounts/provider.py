"""The provider of single sign-on (OpenID Connect): asked, and its answer checked.

Authlib does the protocol: discovery, state, nonce, PKCE, and the checks of signature,
issuer, audience and times. What it leaves to us is checked here: that the document
found is the issuer's own and leads nowhere in plain text, that this browser asked, and
that a token is there at all, signed by a key pair of the issuer's.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.errors import MismatchingStateError
from authlib.integrations.django_client import DjangoIntegration
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from joserfc.errors import JoseError
from requests import RequestException

from evidence.accounts.provider_session import TIMEOUT_SECONDS, ProviderClient
from evidence.errors import SignOnError, SignOnUnreachable

LEEWAY_SECONDS = 60
"""How far the provider's clock may be off."""
SIGNED_BY_KEY_PAIR = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
SUBJECT_LENGTH = 255
"""OpenID Connect Core 1.0, section 2: at most 255 characters of ASCII."""
NOT_ASKED = (
    "this browser did not ask for the answer that came, or asked too long ago. Begin "
    "again on the page for signing in"
)
FAULTS = (
    AuthlibBaseError,
    JoseError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
)
"""What comes of a provider that answers what it must not."""


@dataclass(frozen=True)
class Claims:
    """What the provider says of somebody: who, what they like to be called, groups.

    `shown_at` is when they last showed who they are there; None: it does not say.
    `methods` are its `amr` and its `acr`; `session` names theirs there, where it does.
    """

    subject: str
    username: str
    email: str
    groups: frozenset[str]
    shown_at: dt.datetime | None = None
    methods: frozenset[str] = frozenset()
    session: str = ""

    @property
    def has_second_factor(self) -> bool:
        """Return whether it says that a second factor was shown, in words we take."""
        return not self.methods.isdisjoint(settings.OIDC_SECOND_FACTOR)


def lead_to_provider(
    request: HttpRequest, return_url: str, *, shows_anew: bool = False
) -> HttpResponse:
    """Return a redirect to the provider; state, nonce and verifier go to the session.

    `shows_anew`: have it ask for password and factor, even of who is signed in. Raise
    SignOnUnreachable where it does not answer, SignOnError for what it must not answer.
    """
    anew = {"prompt": "login", "max_age": "0"} if shows_anew else {}
    try:
        client = _make_client()
        answer: HttpResponse = client.authorize_redirect(request, return_url, **anew)
    except RequestException as error:
        raise unreachable(error) from error
    except FAULTS as error:
        raise _refusal(_say(error)) from error
    return answer


def read_claims(request: HttpRequest) -> Claims:
    """Return what the provider's answer says.

    Raise SignOnError for any fault in it, with the code `sign_on_unasked` where it is
    no answer to this browser: anybody's page can send one such.
    """
    _require_asked(request)
    try:
        client = _make_client()
        token = client.authorize_access_token(
            request,
            claims_options={
                "iss": {"essential": True, "value": settings.OIDC_ISSUER},
                "aud": {"essential": True, "value": settings.OIDC_CLIENT_ID},
                "sub": {"essential": True},
            },
            leeway=LEEWAY_SECONDS,
        )
    except MismatchingStateError as error:
        raise _not_asked() from error
    except RequestException as error:
        raise unreachable(error) from error
    except FAULTS as error:
        raise _refusal(_say(error)) from error
    return _read(token.get("userinfo"))


def _require_asked(request: HttpRequest) -> None:
    """Refuse what is no answer to this browser, or one of another issuer (RFC 9207)."""
    state, kept = request.GET.get("state", ""), DjangoIntegration("casefile")
    if not state or kept.get_state_data(request.session, state) is None:
        raise _not_asked()
    if request.GET.get("iss", settings.OIDC_ISSUER) != settings.OIDC_ISSUER:
        raise _refusal("the answer is another issuer's")
    if "error" in request.GET:
        kept.clear_state_data(request.session, state)
        raise _refusal(f"the provider refused ({_read_error(request.GET['error'])})")


def _make_client() -> Any:
    issuer = settings.OIDC_ISSUER
    client = ProviderClient(
        DjangoIntegration("casefile"),
        "casefile",
        client_id=settings.OIDC_CLIENT_ID,
        client_secret=settings.OIDC_CLIENT_SECRET,
        server_metadata_url=f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": " ".join(settings.OIDC_SCOPES),
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT_SECONDS,
        },
    )
    found = client.load_server_metadata()
    require_own_document(found)
    # A provider may list `none`, or a signature by the secret that both sides hold.
    found["id_token_signing_alg_values_supported"] = list(SIGNED_BY_KEY_PAIR)
    return client


def fetch_keys() -> dict[str, Any]:
    """Return the provider's key set, as it publishes it now.

    Raise what _make_client raises: RequestException, or one of FAULTS.
    """
    found: dict[str, Any] = _make_client().fetch_jwk_set(force=True)
    return found


def require_own_document(found: dict[str, Any]) -> None:
    """Raise ValueError unless it is the issuer's, and as safe as the issuer's name."""
    issuer = settings.OIDC_ISSUER
    if found.get("issuer") != issuer:
        raise ValueError("the document found there is another issuer's")
    safe = ("https://",) if issuer.startswith("https://") else ("https://", "http://")
    for name in ENDPOINTS:
        if not str(found.get(name, "")).startswith(safe):
            raise ValueError(f"the document found there has no {name} to be used")


def _read(told: Any) -> Claims:
    if not isinstance(told, dict):
        raise _refusal("the answer has no ID token")
    subject = told.get("sub")
    # Printable: what a terminal or a page would hide is nobody's identity.
    if (
        not isinstance(subject, str)
        or not re.fullmatch(r"[ -~]{1,255}", subject)
        or not subject.strip()
    ):
        raise _refusal("the answer names nobody")
    return Claims(
        subject=subject,
        username=str(told.get("preferred_username") or ""),
        email=_read_email(told),
        groups=_read_texts(told, settings.OIDC_GROUPS_CLAIM),
        shown_at=_read_moment(told.get("auth_time")),
        methods=_read_texts(told, "amr") | _read_texts(told, "acr"),
        session=_read_session(told.get("sid")),
    )


def _read_session(value: Any) -> str:
    """Return the name of the session there; "" where there is none to be told by."""
    is_name = isinstance(value, str) and re.fullmatch(r"[ -~]{1,255}", value)
    return value if is_name else ""


def _read_texts(told: dict[str, Any], name: str) -> frozenset[str]:
    """Return the words of a claim that is a list, or one word."""
    value = told.get(name)
    words = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(words, list):
        raise _refusal(f"its {name} are no list")
    return frozenset(word for word in words if isinstance(word, str))


def _read_email(told: dict[str, Any]) -> str:
    """Return the address, unless the provider says that nobody has proved it."""
    email = told.get("email")
    is_proved = told.get("email_verified", True) is True
    return email if is_proved and isinstance(email, str) else ""


def _read_moment(seconds: Any) -> dt.datetime | None:
    if seconds is None:
        return None
    try:
        return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise _refusal("its auth_time is no moment") from error


def _read_error(code: str) -> str:
    """Return the provider's code; its other words could be anybody's."""
    return code if re.fullmatch(r"[a-z_]{1,40}", code) else "without a known reason"


def _refusal(why: str) -> SignOnError:
    return SignOnError(f"Single sign-on failed: {why}.", code="sign_on_failed")


def _not_asked() -> SignOnError:
    return SignOnError(f"Single sign-on failed: {NOT_ASKED}.", code="sign_on_unasked")


def unreachable(error: RequestException) -> SignOnUnreachable:
    """Return the refusal of what needs a provider that does not answer."""
    return SignOnUnreachable(
        f"{settings.OIDC_NAME} does not answer ({type(error).__name__}). Try again "
        "later. Accounts that are not linked to it sign in as ever; somebody who works "
        "on the server can open one by break_glass."
    )


def _say(error: Exception) -> str:
    """Return one line of what went wrong, without what was sent."""
    return " ".join(str(error).split())[:200] or type(error).__name__

"""Who is asking: a token by its hash, or the session of somebody who is signed in."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.settings import CONSTANTS
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from evidence.accounts.reading import only_read
from evidence.accounts.rights import read_rights
from evidence.accounts.token_networks import (
    is_allowed,
    read_address,
    record_refused_network,
)
from evidence.accounts.tokens import note_use
from evidence.database.reading import begin_reading, end_reading
from evidence.database.replica import may_lag
from evidence.models import ApiToken

SCHEMES = (b"bearer", b"token")
TOKEN_PATTERN = re.compile(rb"[0-9A-Za-z_]{%d,200}" % CONSTANTS.TOKEN_KEY_LENGTH)
ELSEWHERE = (
    "The token may not be used from where this request came. Its owner finds the "
    "networks it is for under My tokens."
)
REFUSED = "The token is unknown, expired or revoked. Ask an administrator for another."


class ApiTokenAuthentication(TokenAuthentication):
    """`Authorization: Bearer <token>` (RFC 6750); the scheme `Token` is taken too.

    Unlike its base it deletes no expired token, and gives every token that does not
    work the same answer.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, credentials = get_authorization_header(request).partition(b" ")
        if scheme.lower() not in SCHEMES:
            return None
        # The token says what may be done, whose session may have come beside it.
        end_reading()
        user, token = self.authenticate_credentials(credentials.strip())
        now, address = timezone.now(), read_address(request.META.get("REMOTE_ADDR"))
        if not is_allowed(token.networks, address):
            record_refused_network(token, address, now=now)
            raise PermissionDenied(ELSEWHERE, code="network_refused")
        note_use(token, now=now, address=address)
        read_rights(user)
        if only_read(token.scopes):
            # Until the request ends (config/reading.py).
            begin_reading(may_lag=may_lag(request.method, user.pk))
        return user, token

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        if not TOKEN_PATTERN.fullmatch(token):
            raise AuthenticationFailed(REFUSED)
        try:
            return super().authenticate_credentials(token)
        except AuthenticationFailed as error:
            raise AuthenticationFailed(REFUSED) from error

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="casefile"'

    def _cleanup_token(self, auth_token: ApiToken) -> bool:
        """Return whether a token is to be passed over; its row stays."""
        return auth_token.state_at(timezone.now()) != "active"

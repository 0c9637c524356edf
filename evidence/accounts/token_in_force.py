"""A token looked at by the statement that it is for: one look, and no moment between.

What makes a token work is what `ApiTokenAuthentication` and `require_permission` ask,
in SQL. Where a statement finds none, they are asked and say why; so they have the last
word on every refusal, and nothing here has to tell one from another.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any

from knox.crypto import hash_token
from knox.settings import CONSTANTS

from evidence.accounts.token_networks import network_of, read_address
from evidence.accounts.tokens import NOTE_USE_AFTER
from evidence.models import ApiToken, TokenScope

# `token` and `person` are the statement's. A use that is due to be noted, and a network
# that is new, are for the ordinary way, which writes them.
WHILE_IN_FORCE = """
       token.id = %(token)s AND token.digest = %(token_digest)s
   AND token.revoked_at IS NULL
   AND token.expiry > %(now)s AND (token.ends_at IS NULL OR token.ends_at > %(now)s)
   AND token.last_used_at > %(noted_after)s
   AND %(scope)s = ANY (token.scopes)
   AND (%(network)s::text IS NULL OR %(network)s::text = ANY (token.seen_networks))
   AND (token.networks = '{}' OR EXISTS (
           SELECT FROM unnest(token.networks) AS allowed (network)
            WHERE %(address)s::inet <<= allowed.network::inet))
   AND person.is_active
   AND (person.is_superuser OR EXISTS (
           SELECT
             FROM auth_permission AS right_
             JOIN django_content_type AS kind ON kind.id = right_.content_type_id
            WHERE kind.app_label = %(right_app)s AND right_.codename = %(right_name)s
              AND (EXISTS (SELECT FROM auth_user_user_permissions AS own
                            WHERE own.user_id = person.id
                              AND own.permission_id = right_.id)
                   OR EXISTS (SELECT
                                FROM auth_user_groups AS role
                                JOIN auth_group_permissions AS of_role USING (group_id)
                               WHERE role.user_id = person.id
                                 AND of_role.permission_id = right_.id))))
"""


class NoSuchToken(Exception):
    """No token has this secret."""


def find_token(secret: str) -> tuple[int, str] | None:
    """Return which token a secret belongs to, in force or not, and its digest."""
    digest = hash_token(secret)
    try:
        return _find_id(secret[: CONSTANTS.TOKEN_KEY_LENGTH], digest), digest
    except NoSuchToken:
        return None


# A token keeps its secret for good (`grant_is_fixed`), so that this is never stale; and
# who does not know the whole secret has another digest.
@lru_cache(maxsize=1_000)
def _find_id(key: str, digest: str) -> int:
    found = ApiToken.objects.filter(token_key=key, digest=digest)
    pk = found.order_by().values_list("pk", flat=True).first()
    if pk is None:
        raise NoSuchToken
    return pk


def facts_of_use(
    token: int,
    digest: str,
    *,
    scope: TokenScope,
    permission: str,
    address_text: str | None,
    now: dt.datetime,
) -> dict[str, Any]:
    """Return what WHILE_IN_FORCE takes."""
    address = read_address(address_text)
    app, _, name = permission.partition(".")
    return {
        "token": token,
        "token_digest": digest,
        "scope": str(scope),
        "right_app": app,
        "right_name": name,
        "address": str(address) if address else None,
        "network": network_of(address) if address else None,
        "now": now,
        "noted_after": now - NOTE_USE_AFTER,
    }

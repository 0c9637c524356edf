"""What may be asked for: the token's scope first, then the user's own permission."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from evidence.accounts.access import require_permission
from evidence.api.base.repeated import refuse_repeated, takes_several
from evidence.models import ApiToken, TokenScope


class ScopePermission(BasePermission):
    """Closed by default: a signed-in session reads, a token does what its scopes say.

    A view names its `read_permission` and, where it writes, its `write_scope`; one that
    names none takes no write. A scope only narrows: the permission of a write is
    checked by the service that is called.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        # A refusal costs as much: who sends nothing else is slowed down as well.
        view.check_throttles(request)
        is_read = request.method in SAFE_METHODS
        if isinstance(request.auth, ApiToken):
            scope = TokenScope.READ if is_read else getattr(view, "write_scope", None)
            if scope is None:
                raise MethodNotAllowed(str(request.method))
            require_scope(request.auth, scope)
        elif not is_read:
            raise PermissionDenied(
                "A session only reads here. Changes need an API token.",
                code="token_required",
            )
        if is_read and getattr(view, "read_permission", None):
            require_permission(request.user, view.read_permission)
        refuse_repeated(request.query_params, several=takes_several(view))
        return True


def require_scope(token: ApiToken, scope: TokenScope) -> None:
    """Raise PermissionDenied unless the token has the scope."""
    if scope not in token.scopes:
        raise PermissionDenied(
            f"This needs a token with the scope {scope}; this one has "
            f"{', '.join(token.scopes)}.",
            code="scope_missing",
        )

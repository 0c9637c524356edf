"""A view that names no scope to write by takes no write, whoever asks."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from evidence.accounts.tokens import create_token
from evidence.api.base.permissions import ScopePermission
from evidence.models import TokenScope

UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "REPORT")


def view_of(**named: Any) -> APIView:
    """Return a view that counts no requests; each asks for its scope alone."""
    return type("View", (APIView,), {"throttle_classes": (), **named})()


def ask(user: User, method: str, view: APIView, *scopes: TokenScope) -> bool:
    token, _ = create_token(user=user, name="a test", scopes=scopes, days=1, actor=None)
    request = Request(APIRequestFactory().generic(method, "/"))
    request.user, request.auth = user, token
    return ScopePermission().has_permission(request, view)


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("view", [view_of(), view_of(write_scope=None)])
def test_write_without_a_scope_is_refused(
    responder: User, method: str, view: APIView
) -> None:
    with pytest.raises(MethodNotAllowed):
        ask(responder, method, view, *TokenScope)


@pytest.mark.parametrize("method", UNSAFE)
def test_write_needs_the_scope_of_its_view(responder: User, method: str) -> None:
    view = view_of(write_scope=TokenScope.CASES_WRITE)
    assert ask(responder, method, view, TokenScope.CASES_WRITE)
    with pytest.raises(PermissionDenied, match="cases:write"):
        ask(responder, method, view, TokenScope.READ, TokenScope.ALERTS_WRITE)


def test_reading_needs_no_scope_to_write_by(responder: User) -> None:
    assert ask(responder, "GET", view_of(), TokenScope.READ)
    with pytest.raises(PermissionDenied, match="read"):
        ask(responder, "GET", view_of(), TokenScope.CASES_WRITE)

"""Clients for the API: a token with just the scopes that a test names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from rest_framework.test import APIClient

from evidence.accounts.tokens import create_token
from evidence.models import TokenScope

ClientMaker = Callable[..., APIClient]


def make_client(user: User, *scopes: str) -> APIClient:
    """Return a client that sends a token of this user with these scopes."""
    _, secret = create_token(
        user=user, name="a test", scopes=scopes, days=1, actor=None
    )
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def same_connection() -> Iterator[None]:
    """Let the WSGI application work in the test's own transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def reader(auditor: User) -> APIClient:
    """Somebody who may see everything and change nothing."""
    return make_client(auditor, TokenScope.READ)


@pytest.fixture
def poster(machine: User) -> APIClient:
    """A machine that posts alerts."""
    return make_client(machine, TokenScope.ALERTS_WRITE)


@pytest.fixture
def uploader(machine: User) -> APIClient:
    """A machine that sends evidence."""
    return make_client(machine, TokenScope.EVIDENCE_WRITE)


@pytest.fixture
def editor(responder: User) -> APIClient:
    """A responder whose tool works cases."""
    return make_client(responder, TokenScope.READ, TokenScope.CASES_WRITE)

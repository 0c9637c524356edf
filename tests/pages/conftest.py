"""One filled database for all tests of this folder; each leaves it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client, override_settings
from pytest_django import Settings

from incidents.models import Incident
from tests.pages.world import make_everything
from tests.shared import store_at


@pytest.fixture(scope="package")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared-evidence")


@pytest.fixture(autouse=True)
def evidence_folder(settings: Settings, shared_store: Path) -> Path:
    """Let every test read the files of the one world."""
    for name, value in store_at(settings, shared_store).items():
        setattr(settings, name, value)
    return shared_store


@pytest.fixture(scope="package")
def filled(
    django_db_setup: None, django_db_blocker: Any, shared_store: Path
) -> Iterator[Incident]:
    """Make one row of everything, in a transaction that is given up at the end."""
    from django.conf import settings

    with django_db_blocker.unblock():
        block = transaction.atomic()
        block.__enter__()
        with override_settings(**store_at(settings, shared_store)):
            incident = make_everything()
        yield incident
        transaction.set_rollback(True)
        block.__exit__(None, None, None)


@pytest.fixture
def everything(filled: Incident) -> Iterator[Incident]:
    """Give the world to a test, and take back what the test does to it."""
    with transaction.atomic():
        yield filled
        transaction.set_rollback(True)


@pytest.fixture
def _django_db_helper(everything: Incident) -> None:
    """Take the world's transaction for that of `django_db`, which would close it."""


@pytest.fixture
def browse(everything: Incident) -> Any:
    """Return a function that signs somebody in; failures answer, they do not raise."""

    def sign_in(username: str) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(User.objects.get(username=username))
        return client

    return sign_in

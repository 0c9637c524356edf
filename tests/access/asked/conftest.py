"""The filled world that the tests of pages have, and everybody who asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from evidence.models import EvidenceItem, EvidenceKind
from evidence.services.exports import request_export
from incidents.models import Incident
from tests.access.people import Who, make_browsers, make_others
from tests.pages.conftest import (  # noqa: F401 (fixtures)
    _django_db_helper,
    everything,
    evidence_folder,
    filled,
    shared_store,
)


@pytest.fixture(scope="package")
def browsers(
    filled: Incident,  # noqa: F811
    django_db_blocker: Any,
) -> dict[Who, Client]:
    """Sign everybody in, once for all tests."""
    with django_db_blocker.unblock(), transaction.atomic():
        make_others()
        bundle = EvidenceItem.objects.filter(kind=EvidenceKind.BUNDLE).first()
        assert bundle is not None
        request_export(item_id=bundle.pk, filter={}, redaction={}, actor=None)
        return make_browsers()


@pytest.fixture(scope="package")
def filled_in(browsers: dict[Who, Client]) -> dict[str, dict[str, Any]]:
    """Keep what the superuser's pages offered to send, by its address."""
    return {}

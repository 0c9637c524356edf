"""Pruning is off by default: these tests switch it on."""

import pytest

from tests.conftest import Settings
from tests.incidents.pruning.cases import AT_ONCE


@pytest.fixture(autouse=True)
def kept_for_no_time(settings: Settings) -> None:
    settings.CASE_RETENTION_DAYS = AT_ONCE

"""What a module's world holds, by its name: the module gives it as `stages`.

``_kept, stages, _django_db_helper, evidence_folder = share(make_stages("version"))``
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from incidents.models import Incident, Postmortem, PostmortemVersion


@pytest.fixture
def case(stages: Mapping[str, Any]) -> Incident:
    """Give a case with a verified bundle and a root cause, and no postmortem."""
    return stages["case"]


@pytest.fixture
def opened(stages: Mapping[str, Any]) -> Postmortem:
    """Give a postmortem with its first draft, which nobody wrote on."""
    return stages["opened"]


@pytest.fixture
def written(stages: Mapping[str, Any]) -> Postmortem:
    """Give a postmortem with every section written, and not submitted."""
    return stages["written"]


@pytest.fixture
def version(stages: Mapping[str, Any]) -> PostmortemVersion:
    """Give a version that waits for its review."""
    return stages["version"]


@pytest.fixture
def signed(stages: Mapping[str, Any]) -> PostmortemVersion:
    """Give a version that is signed, and its case archived."""
    return stages["signed"]

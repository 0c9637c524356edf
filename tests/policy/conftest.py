import pytest

from incidents.models import Incident
from policy.models import Extension
from tests.factories import make_incident


@pytest.fixture
def incident(db: None) -> Incident:
    """An open case of ext.weather."""
    return make_incident()


@pytest.fixture
def extension(incident: Incident) -> Extension:
    return incident.extensions.get()

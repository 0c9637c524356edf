import pytest

from tests.incidents.alerts.samples import make_rules


@pytest.fixture
def rules(db: None) -> None:
    """The six playbooks and the default rules."""
    make_rules()

import pytest

from incidents.services.gates import phases
from incidents.services.notifications import delivery, reminders

AN_HOUR = 3600.0


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run take the time it needs: a machine that stalls must not fail a test.

    After so long a run leaves what is left to the next one, which nobody starts in a
    test. Tests of just that set a time of their own.
    """
    for module in (delivery, phases, reminders):
        monkeypatch.setattr(module, "RUN_SECONDS", AN_HOUR)

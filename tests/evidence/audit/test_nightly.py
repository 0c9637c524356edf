"""A nightly check that never ran, or not for long, is told, and made good."""

import datetime as dt
import math
from typing import Any

import pytest
from django.utils import timezone

from config.health import read_report
from evidence.audit.history_checks import check_history, read_history_health
from evidence.audit.records.checking import check_records, read_records_health
from evidence.errors import HealthWarning
from evidence.metrics import HistoryCollector
from evidence.models import HistoryCheck, RecordCheck
from evidence.tasks import catch_up_checks

pytestmark = pytest.mark.django_db
PROBES = {HistoryCheck: read_history_health, RecordCheck: read_records_health}


@pytest.fixture
def both_checked() -> None:
    check_history(actor=None)
    check_records(actor=None)


def let_hours_pass(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    now = timezone.now() + dt.timedelta(hours=hours)
    monkeypatch.setattr(timezone, "now", lambda: now)


def test_nothing_is_ok_before_it_was_checked() -> None:
    for probe in PROBES.values():
        with pytest.raises(HealthWarning, match="not checked yet"):
            probe()


@pytest.mark.usefixtures("both_checked")
@pytest.mark.parametrize("kind", PROBES)
def test_a_check_is_good_for_a_night_and_no_longer(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "checked" in PROBES[kind]()
    let_hours_pass(monkeypatch, 31)
    with pytest.raises(HealthWarning, match="has to be every night"):
        PROBES[kind]()


def test_missed_checks_are_queued_once(
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        assert catch_up_checks() == 2
    queued = [callback.args[0] for callback in callbacks]
    assert queued == ["evidence.check_history", "evidence.check_records"]
    # A check that does not end is not begun anew each minute.
    assert catch_up_checks() == 0


@pytest.mark.usefixtures("both_checked")
def test_overdue_checks_are_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert catch_up_checks() == 0
    let_hours_pass(monkeypatch, 31)
    assert catch_up_checks() == 2


def test_the_whole_is_no_better_than_what_nobody_checked(settings: Any) -> None:
    parts = [part for part in settings.READINESS_PARTS if part.name == "history"]
    settings.READINESS_PARTS = parts
    assert read_report()["status"] == "warning"


def test_a_check_of_chosen_streams_is_none_of_the_history() -> None:
    check_history(actor=None, streams=["system"])
    with pytest.raises(HealthWarning, match="not checked yet"):
        read_history_health()
    assert math.isnan(next(iter(HistoryCollector().collect())).samples[0].value)

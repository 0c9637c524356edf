"""Beat on a machine whose clock is set: it goes on, and says that it lives."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from django.core.cache import cache

from config import beat
from config.beat import SteadyScheduler
from evidence.queue.signs import BEAT_KEY

HOUR = 3600.0


class Clock:
    """A wall clock that can be set; time itself goes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shift = 0.0
        real = time.time
        monkeypatch.setattr(beat.time, "time", lambda: real() + self.shift)

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.shift)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def scheduler(
    clock: Clock, sent: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SteadyScheduler]:
    app = Celery("clocks", set_as_current=False, broker="memory://")
    app.conf.beat_schedule = {
        name: {"task": name, "schedule": 10.0} for name in ("one", "two", "three")
    }
    monkeypatch.setattr(Celery, "now", lambda app: clock.now())
    made = SteadyScheduler(app, schedule_filename=str(tmp_path / "schedule"))
    monkeypatch.setattr(
        made, "apply_entry", lambda entry, **options: sent.append(entry.task)
    )
    yield made
    made.close()


def run_until_quiet(scheduler: SteadyScheduler) -> None:
    for _ in range(20):
        if scheduler.tick() > 0:
            return
    raise AssertionError("something is always due")


@pytest.mark.parametrize("hours", [-1, 1])
def test_clock_that_is_set_silences_nothing(
    scheduler: SteadyScheduler, clock: Clock, sent: list[str], hours: int
) -> None:
    clock.shift += 11
    run_until_quiet(scheduler)
    sent.clear()
    clock.shift += hours * HOUR
    run_until_quiet(scheduler)
    assert {"one", "two", "three"} <= set(sent)
    sent.clear()
    clock.shift += 11
    run_until_quiet(scheduler)
    assert {"one", "two", "three"} <= set(sent)


def test_clock_that_was_set_back_while_beat_was_away_silences_nothing(
    scheduler: SteadyScheduler, clock: Clock, tmp_path: Path, sent: list[str]
) -> None:
    clock.shift += 11
    run_until_quiet(scheduler)
    scheduler.close()
    clock.shift -= HOUR
    path = str(tmp_path / "schedule")
    again = SteadyScheduler(scheduler.app, schedule_filename=path)
    assert all(entry.last_run_at <= clock.now() for entry in again.schedule.values())
    again.close()


def test_beat_says_that_it_lives_at_least_every_few_seconds(
    scheduler: SteadyScheduler,
) -> None:
    assert cache.get(BEAT_KEY) is None
    assert scheduler.tick() <= 5
    assert cache.get(BEAT_KEY) is not None

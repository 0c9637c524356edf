"""What many ask for within a moment is sent once, and done after the last of them."""

import pytest

from evidence.queue import bells
from evidence.queue.bells import ACTED_AFTER_SECONDS, HELD_SECONDS, REMEMBERED, Bell

Sent = list[tuple[str, list[object], float | None]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    found: Sent = []

    def note(name: str, args: list[object], *, countdown: float | None = None) -> bool:
        found.append((name, args, countdown))
        return True

    monkeypatch.setattr(bells, "send_now", note)
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a clock that stands still but for who sets its only entry."""
    now = [100.0]
    monkeypatch.setattr(bells.time, "monotonic", lambda: now[0])
    return now


def test_one_message_stands_for_all_that_ask_within_a_moment(
    sent: Sent, clock: list[float]
) -> None:
    bell = Bell()
    for _ in range(3):
        bell.ring("task", [7])
        clock[0] += HELD_SECONDS / 4
    assert sent == [("task", [7], ACTED_AFTER_SECONDS)]
    clock[0] += HELD_SECONDS
    bell.ring("task", [7])
    assert len(sent) == 2
    assert ACTED_AFTER_SECONDS > HELD_SECONDS, "none comes behind the look it is for"


def test_each_case_has_a_message_of_its_own(sent: Sent, clock: list[float]) -> None:
    bell = Bell()
    for number in range(REMEMBERED + 10):
        bell.ring("task", [number])
    assert len(sent) == REMEMBERED + 10
    clock[0] += HELD_SECONDS
    bell.ring("task", [0])
    assert len(sent) == REMEMBERED + 11
    assert len(bell._rung_at) == 1, "what is long past is forgotten"

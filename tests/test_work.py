"""What counts work fails where there is too much, and stops what would not end."""

from __future__ import annotations

import math

import pytest

from tests.work import MuchWork, at_most


def step() -> None:
    """Do nothing, and be counted for it."""


def take_steps(count: float) -> None:
    """Be counted so many times; for ever, where there is no end."""
    while count > 0:
        step()
        count -= 1


def test_work_within_the_limit_passes() -> None:
    with at_most(1_000):
        take_steps(900)


def test_work_beyond_the_limit_fails() -> None:
    with pytest.raises(AssertionError, match="more than 100"), at_most(100):
        take_steps(101)


def test_work_that_does_not_end_is_stopped() -> None:
    with pytest.raises(MuchWork, match="more than 1000"), at_most(1_000):
        take_steps(math.inf)

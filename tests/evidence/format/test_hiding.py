"""Known values are found whole, with work in line with what is looked through."""

from __future__ import annotations

import sys
from random import Random
from types import FrameType
from typing import Any

import pytest

from evidence.format.hiding import Secrets


def covered(text: str, values: list[str]) -> set[int]:
    """Return the places of a text that any value covers: tried one by one."""
    return {
        place
        for value in values
        for start in range(len(text))
        if text.startswith(value, start)
        for place in range(start, start + len(value))
    }


@pytest.mark.parametrize("seed", range(20))
def test_values_that_begin_each_other_are_found_to_their_longest_end(seed: int) -> None:
    random = Random(seed)
    text = "".join(random.choices("xy", weights=(4, 1), k=400))
    starts = [random.randrange(380) for _ in range(30)]
    values = [text[start : start + random.randint(8, 20)] for start in starts]
    values += [value + "z" for value in values[:10]]
    found = Secrets(values).find(text)
    places = {place for one in found for place in range(one.start, one.end)}
    assert places == covered(text, values)


def count_calls(number: int) -> int:
    """Return how many functions one search calls, with so many values and places."""
    secrets = Secrets(f"sha256:{value:060x}" for value in range(number))
    text = " ".join(f"sha256:{value:x}!" for value in range(number))
    calls = 0

    def note(frame: FrameType, event: str, value: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        secrets.find(text)
    finally:
        sys.setprofile(None)
    return calls


def test_values_that_begin_alike_are_not_tried_each_at_every_place() -> None:
    assert count_calls(400) < 2.5 * count_calls(200)

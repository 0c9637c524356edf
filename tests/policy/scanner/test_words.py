"""Names are found wherever they stand, by whichever way they are looked for."""

from __future__ import annotations

import random
import re

import pytest

from policy.scanner.proof.words import Words

NAMES = ("a", "$", "_a", "aa", "é", "a$", "aaa", "aé", "require", "e", "x1")


def expected(data: bytes, name: str) -> list[int]:
    pattern = re.compile(rb"(?<![\w$])%b(?![\w$])" % re.escape(name.encode()))
    return [match.start() for match in pattern.finditer(data)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("asked_before", [0, 100])
def test_every_place_of_a_name_is_found_however_many_names_were_asked_for(
    seed: int, asked_before: int
):
    text = "".join(random.Random(seed).choices([*NAMES, " ", ".", "1"], k=200))
    words = Words(text.encode())
    for number in range(asked_before):
        assert words.places(f"absent{number}") == []
    for name in (*NAMES, *NAMES):
        assert words.places(name) == expected(text.encode(), name), name


def test_name_of_other_letters_is_found_after_many_others():
    names = [f"n{number}" for number in range(100)]
    words = Words("; ".join([*names, "é(é)"]).encode())
    for name in names:
        assert len(words.places(name)) == 1
    assert len(words.places("é")) == 2

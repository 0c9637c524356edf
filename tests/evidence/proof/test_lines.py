"""The lines of an archive's lists: what is written there can be read, strictly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.format import hash_value, read_document
from evidence.proof.archive_file import document_lines
from evidence.storable_values import read_back


def written(number: Any) -> Any:
    """Return a number out of a row's JSON as a reader of the archive finds it."""
    (line,) = document_lines([{"id": 1, "document": {"odd": [number]}}])
    return read_document(line)["document"]["odd"][0]


@pytest.mark.parametrize("number", [1e23, -1.5e300, 1e-300, 2**53 - 1, 0.1, 10**18])
def test_numbers_that_can_be_read_again_stay_what_they_are(number: float) -> None:
    assert written(number) == number
    # As PostgreSQL gives it back, which writes large numbers out in full.
    assert written(int(f"{number:.0f}") if abs(number) > 1 else number) == number


@pytest.mark.parametrize("number", [2.0**60, 2**60, -(2.0**69)])
def test_a_number_whose_canonical_form_is_refused_is_kept_as_text(
    number: float,
) -> None:
    """The case of an alert with one could never be archived."""
    assert written(number) == str(int(number))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_number_came_the_line_is_read_and_the_value_stands(
    number: float,
) -> None:
    found = written(number)
    assert float(found) == number
    assert hash_value([read_back(int(number))]) == hash_value([float(int(number))])

"""Canonical form: RFC 8785's own examples, and rfc8785 as an oracle."""

from __future__ import annotations

import math
import struct
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.format import DocumentRefused, canonical_bytes, hash_value, read_document
from evidence.format.canonical import canonical_plain, canonical_record

from .es6_numbers import PUBLISHED_SHA256, sha256_of_lines

# RFC 8785, appendix B: the double's bits, and what ECMAScript makes of it.
APPENDIX_B = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
documents = st.recursive(
    scalars,
    lambda children: (
        st.lists(children, max_size=5)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), children, max_size=5)
    ),
    max_leaves=25,
)


def double_of(bits: str) -> float:
    return struct.unpack(">d", bytes.fromhex(bits))[0]


@pytest.mark.parametrize(("bits", "text"), APPENDIX_B)
def test_published_number_sample(bits, text):
    assert canonical_bytes(double_of(bits)) == text.encode()


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000"])
def test_published_non_number_is_refused(bits):
    with pytest.raises(DocumentRefused, match="not JSON"):
        canonical_bytes(double_of(bits))


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_published_number_file_has_the_published_checksum(count):
    assert sha256_of_lines(count) == PUBLISHED_SHA256[count]


def test_example_of_section_3_2_2():
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical_bytes(value) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,'
        b'1e-27],"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_example_of_section_3_2_3_sorts_by_utf16_unit():
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    names = list(orjson.loads(canonical_bytes(value)))
    assert names == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53 + 1, 10**400, {1: 2}, {"a": b"x"}, "\ud800"],
)
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(DocumentRefused):
        canonical_bytes(value)


def test_integer_that_a_double_equals_is_written_as_that_double():
    assert canonical_bytes([2**53, 10**20, 10**21]) == (
        b"[9007199254740992,100000000000000000000,1e+21]"
    )


@settings(max_examples=50, deadline=None)
@given(documents)
def test_writer_agrees_with_the_oracle(value: Any):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_agrees_with_the_oracle(number):
    assert canonical_bytes(number) == rfc8785.dumps(number)


@settings(max_examples=50, deadline=None)
@given(documents)
def test_every_fast_way_agrees_with_the_exact_one(value):
    exact = canonical_bytes(value)
    assert canonical_record(value) == exact
    assert canonical_plain(value, plain=False) == exact


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), documents))
def test_canonical_form_reads_back_to_the_same_form(value):
    form = canonical_bytes(value)
    refused = None
    try:
        assert canonical_bytes(read_document(form)) == form
    except DocumentRefused as refusal:
        refused = refusal.code
    # ECMAScript pads digits with zeros up to 10**21, where no double may be.
    assert refused in (None, "inexact_integer")


@given(st.floats(1e-5, 2**53 - 1))
def test_floats_called_plain_are_written_canonically_by_orjson(number):
    if not number.is_integer() and math.isfinite(number):
        assert orjson.dumps(number) == canonical_bytes(number)


def test_hash_is_that_of_the_canonical_form():
    assert hash_value({"b": 1.0, "a": "x"}) == hash_value({"a": "x", "b": 1})

"""Bytes broken at random: a report or a refusal, and never anything else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.format import (
    DocumentRefused,
    read_bytes,
    serialize_document,
    verify_document,
)

from .samples import FULL, build, make_ledger, make_source

SOURCE = make_source(3)
SEEDS = [
    serialize_document(SOURCE),
    serialize_document(build(SOURCE, FULL)),
    serialize_document(make_ledger(3)),
]
TOKENS = [
    *(b'"', b"{", b"}", b"[", b"]", b":", b",", b"\\", b"\\u", b"\\ud800", b"null"),
    *(
        b"true",
        b"1e999",
        b"-0.0",
        b"9007199254740993",
        b"NaN",
        b"\xff",
        b"\xee\x80\x80",
    ),
    *(b'"entries":', b'"ledger_hash":', b"[REDACTED]", b"\x00", b"\n", b"1" * 400),
]


def verify_or_refuse(data: bytes, source: bytes | None = None) -> str:
    """Verify; any exception but a refusal fails the test by itself."""
    try:
        report = verify_document(data, source=source)
    except DocumentRefused as refusal:
        return refusal.code
    assert report.as_dict()["kind"] == report.kind.value
    return "report"


def break_bytes(data: bytes, generator: random.Random) -> bytes:
    """Cut, copy, overwrite and insert at random places."""
    broken = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(broken) + 1)
        length = generator.choice([1, 1, 2, 8, 64])
        move = generator.randrange(4)
        if move == 0:
            del broken[place : place + length]
        elif move == 1:
            start = generator.randrange(len(broken) + 1)
            broken[place:place] = broken[start : start + length]
        elif move == 2:
            broken[place : place + 1] = bytes([generator.randrange(256)])
        else:
            broken[place:place] = generator.choice(TOKENS)
    return bytes(broken)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False))
def test_broken_bytes_give_a_report_or_a_refusal(seed, generator):
    verify_or_refuse(break_bytes(seed, generator), SEEDS[0])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_report_or_a_refusal(data):
    verify_or_refuse(data)
    verify_or_refuse(SEEDS[1], data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_packed_bytes_give_bytes_or_a_refusal(data):
    for each in (data, b"\x1f\x8b" + data, b"\x1f\x8b\x08\x00" + data):
        refused = None
        try:
            assert isinstance(read_bytes(each, max_bytes=1000), bytes)
        except DocumentRefused as refusal:
            refused = refusal.code
        assert refused in (None, "bad_gzip", "too_large")


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_document_cut_anywhere_is_refused(seed):
    data = SEEDS[seed].rstrip()
    for length in range(0, len(data), 7):
        assert verify_or_refuse(data[:length]) in ("not_json", "empty", "not_utf8")

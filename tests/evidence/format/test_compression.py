"""Gzip: unpacked in bounded memory, or refused."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from evidence.format import DocumentRefused, read_bytes
from tests.work import at_most

TEXT = b'{"a": 1}' * 1000


def test_plain_bytes_pass_through():
    assert read_bytes(TEXT) is TEXT


def test_packed_bytes_are_unpacked_members_and_padding_included():
    packed = gzip.compress(TEXT)
    assert read_bytes(packed) == TEXT
    assert read_bytes(packed + packed + b"\0" * 512) == TEXT * 2


@pytest.mark.parametrize("size", [1, 5, 20, -9, -4, -1])
def test_truncated_packed_bytes_are_refused(size):
    with pytest.raises(DocumentRefused) as caught:
        read_bytes(gzip.compress(TEXT)[:size] if size > 1 else b"\x1f\x8b\x08")
    assert caught.value.code == "bad_gzip"


def test_damaged_packed_bytes_are_refused():
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 1
    with pytest.raises(DocumentRefused, match="damaged"):
        read_bytes(bytes(packed))
    with pytest.raises(DocumentRefused, match="damaged"):
        read_bytes(gzip.compress(TEXT) + b"something else")


def test_limit_holds_for_packed_and_plain_bytes():
    assert read_bytes(gzip.compress(TEXT), max_bytes=len(TEXT)) == TEXT
    for data in (gzip.compress(TEXT), TEXT):
        with pytest.raises(DocumentRefused) as caught:
            read_bytes(data, max_bytes=len(TEXT) - 1)
        assert caught.value.code == "too_large"


def test_bomb_is_refused_with_bounded_work_and_memory():
    bomb = gzip.compress(b" " * 100_000_000)
    limit = 4_000_000
    tracemalloc.start()
    with pytest.raises(DocumentRefused, match="unpacked"), at_most(100):
        read_bytes(bomb, max_bytes=limit)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * limit


def test_many_empty_members_cost_no_more_than_their_bytes():
    count = 20_000
    with at_most(20 * count):
        assert read_bytes(gzip.compress(b"") * count) == b""

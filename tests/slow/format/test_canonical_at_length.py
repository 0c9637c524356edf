"""Canonical form against three oracles: rfc8785, V8, and the published samples."""

from __future__ import annotations

import json
import math
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings

from evidence.format import canonical_bytes
from evidence.format.canonical import canonical_plain, canonical_record
from tests.evidence.format.es6_numbers import PUBLISHED_SHA256, sha256_of_lines
from tests.evidence.format.test_canonical import documents

pytestmark = pytest.mark.slow

# Sorts as RFC 8785 asks: JavaScript compares strings by UTF-16 unit.
CANONICALIZER = """
const write = (value) => value === null || typeof value !== 'object'
  ? JSON.stringify(value)
  : Array.isArray(value) ? '[' + value.map(write).join(',') + ']'
  : '{' + Object.keys(value).sort().map(
      (name) => JSON.stringify(name) + ':' + write(value[name])).join(',') + '}';
const lines = require('fs').readFileSync(0, 'utf8').trimEnd().split('\\n');
process.stdout.write(lines.map((line) => write(JSON.parse(line))).join('\\n'));
"""


def doubles(count: int) -> Iterator[float]:
    """Yield doubles of all sizes: random bits, decimals, and neighbours of powers."""
    generator = random.Random(8785)
    for place in range(count):
        if place % 3 == 0:
            bits = generator.getrandbits(64)
            number = struct.unpack("<d", struct.pack("<Q", bits))[0]
        elif place % 3 == 1:
            number = round(generator.uniform(-1e6, 1e6), generator.randrange(9))
        else:
            number = 10.0 ** generator.randrange(-12, 25)
            number = math.nextafter(number, generator.choice([0, math.inf]))
        if math.isfinite(number):
            yield number


CHARACTERS = [*map(chr, range(0x20)), *'"\\/\x7f\x80aZ', *"é\u2028€\ue000דּ\uffff😀𐀀"]


def make_value(generator: random.Random, depth: int) -> Any:
    kind = generator.randrange(8 if depth else 5)
    if kind < 2:
        count = generator.randrange(6)
        return "".join(generator.choice(CHARACTERS) for _ in range(count))
    if kind == 2:
        return generator.choice([None, True, False, 0, -0.0, 1.0, 1e-7, 2**53 - 1])
    if kind < 5:
        return round(generator.uniform(-10, 10), generator.randrange(8))
    count = generator.randrange(5)
    if kind == 5:
        return [make_value(generator, depth - 1) for _ in range(count)]
    names = ("".join(generator.choices(CHARACTERS, k=2)) for _ in range(count))
    return {name: make_value(generator, depth - 1) for name in names}


def values(count: int) -> Iterator[Any]:
    generator = random.Random(7493)
    for _ in range(count):
        yield make_value(generator, 3)


@pytest.mark.parametrize("count", [100_000, 1_000_000])
def test_published_number_file_has_the_published_checksum(count):
    assert sha256_of_lines(count) == PUBLISHED_SHA256[count]


def test_200_000_doubles_agree_with_the_oracle():
    for number in doubles(200_000):
        assert canonical_bytes(number) == rfc8785.dumps(number)


def test_100_000_documents_agree_with_the_oracle_in_every_way():
    for value in values(100_000):
        wanted = rfc8785.dumps(value)
        assert canonical_bytes(value) == wanted
        assert canonical_record(value) == wanted
        assert canonical_plain([value], plain=False) == b"[" + wanted + b"]"


@settings(max_examples=10_000, deadline=None)
@given(documents)
def test_10_000_documents_of_hypothesis_agree_with_the_oracle(value):
    assert canonical_record(value) == canonical_bytes(value) == rfc8785.dumps(value)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node on PATH")
def test_100_000_doubles_and_20_000_documents_agree_with_v8():
    cases = [*doubles(100_000), *values(20_000)]
    lines = "\n".join(json.dumps(value) for value in cases)
    done = subprocess.run(
        ["node", "-e", CANONICALIZER],
        input=lines.encode(),
        capture_output=True,
        check=True,
    )
    written = done.stdout.split(b"\n")
    assert len(written) == len(cases)
    for value, line in zip(cases, written, strict=True):
        assert canonical_bytes(value) == line

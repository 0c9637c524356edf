"""The published sequence of doubles that ES6 number writers are tested with.

tests/data/es6_numbers/README.md says where it is from.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from evidence.format.canonical import format_number

_BITS = Path(__file__).parents[2] / "data" / "es6_numbers" / "bits.txt"
_SERIAL_START, _SERIAL_COUNT = 0x0010000000000000, 2000

PUBLISHED_SHA256 = {
    1_000: "be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687",
    10_000: "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892",
    100_000: "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7",
    1_000_000: "49415fee2c56c77864931bd3624faad425c3c577d6d74e89a83bc725506dad16",
}


def bit_patterns() -> Iterator[int]:
    """Yield the bits of each double: picked ones, serial ones, then a digest chain."""
    yield from (int(line, 16) for line in _BITS.read_text().split())
    yield from range(_SERIAL_START, _SERIAL_START + _SERIAL_COUNT)
    block = bytes(32)
    while True:
        block = hashlib.sha256(block).digest()
        for bits in struct.unpack("<4Q", block):
            number = double_of(bits)
            if number != 0 and math.isfinite(number):
                yield bits


def double_of(bits: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def sha256_of_lines(count: int) -> str:
    """Return the SHA-256 of the first lines, as this project writes them."""
    digest = hashlib.sha256()
    for bits in islice(bit_patterns(), count):
        digest.update(f"{bits:x},{format_number(double_of(bits))}\n".encode())
    return digest.hexdigest()

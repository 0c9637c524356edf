"""A zip's members are counted before its directory is read."""

import io
import struct
import tracemalloc
import zipfile

import pytest

from evidence.format.zips import ZipRefused, count_members
from tests.work import at_most

END = struct.Struct("<4s4H2LH")


def make_zip(count: int, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(count):
            archive.writestr(f"file-{number}.js", b"x")
        archive.comment = comment
    return buffer.getvalue()


def with_end(data: bytes, **changed: int) -> bytes:
    """Return the zip with other figures in its end record."""
    fields = list(END.unpack(data[-END.size :]))
    for name, value in changed.items():
        for place in {"said": (3, 4), "size": (5,), "offset": (6,)}[name]:
            fields[place] = value
    return data[: -END.size] + END.pack(*fields)


def make_directory_bomb(count: int, said: int | None = None) -> bytes:
    """Return a zip that is a directory of records and nothing else, in ZIP64."""
    record = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", *[0] * 6, *[0] * 3, 1, *[0] * 4, 0, 0
    )
    records = (record + b"a") * count
    number = count if said is None else said
    end64 = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, number, number, len(records), 0
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(records), 1)
    end = END.pack(b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return records + end64 + locator + end


def refusal_of(data: bytes, most: int = 20_000) -> str:
    with pytest.raises(ZipRefused) as caught:
        count_members(io.BytesIO(data), most=most)
    return caught.value.code


@pytest.mark.parametrize("count", [0, 1, 5, 300])
@pytest.mark.parametrize("comment", [b"", b"a word", b"PK\x05\x06 in it"])
@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\n"])
def test_members_are_counted_as_zipfile_counts_them(
    count: int, comment: bytes, before: bytes
) -> None:
    data = before + make_zip(count, comment)
    if comment.startswith(b"PK"):
        # zipfile takes the last end record there is, and finds a broken one here.
        assert refusal_of(data) == "damaged"
        return
    assert len(zipfile.ZipFile(io.BytesIO(data)).infolist()) == count
    assert count_members(io.BytesIO(data), most=300) == count


def test_one_too_many_is_refused() -> None:
    assert refusal_of(make_zip(6), most=5) == "too_many"


def test_zip64_directory_is_counted() -> None:
    assert count_members(io.BytesIO(make_directory_bomb(70_000)), most=70_000) == 70_000
    assert refusal_of(make_directory_bomb(70_000)) == "too_many"


@pytest.mark.parametrize("said", [0, 1, 4, 6])
def test_a_count_that_lies_is_refused(said: int) -> None:
    assert refusal_of(with_end(make_zip(5), said=said)) == "lying_count"


def test_a_directory_that_hides_its_size_in_a_small_count_is_refused() -> None:
    assert refusal_of(make_directory_bomb(100_000, said=1)) == "too_many"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        make_zip(3)[:-5],
        with_end(make_zip(3), size=10_000_000),
        with_end(make_zip(3), size=50),
        make_directory_bomb(3)[40:],
    ],
)
def test_a_damaged_directory_is_refused(data: bytes) -> None:
    assert refusal_of(data) == "damaged"


@pytest.mark.parametrize("said", [None, 1, 0])
def test_millions_of_records_cost_nothing(said: int | None) -> None:
    data = make_directory_bomb(2_000_000, said=said)
    tracemalloc.start()
    with at_most(200):
        refusal_of(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000

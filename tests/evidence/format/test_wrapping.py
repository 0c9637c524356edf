"""Documents are read through their wrapping, within limits, whatever it promises."""

import gzip
import io
import tracemalloc
import zipfile

import pytest

from evidence.format import DocumentRefused, unwrap
from evidence.format.wrapping import unwrap_stream
from tests.work import at_most

TEXT = '{"a": "é\u2028𝄞"}' * 100_000
DATA = TEXT.encode()
MIB = 1024 * 1024


def zipped(data: bytes, *names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (DATA, ()),
        (gzip.compress(DATA), ("gzip",)),
        (gzip.compress(DATA[:99]) + b"\0\0" + gzip.compress(DATA[99:]), ("gzip",)),
        (zipped(DATA, "a.json"), ("zip",)),
        (zipped(DATA, "d/", "__MACOSX/._a.json", "d/a.json"), ("zip",)),
        (b"\xef\xbb\xbf" + DATA, ("byte order mark",)),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), ("UTF-16",)),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), ("UTF-16",)),
        (TEXT.encode("utf-16-le"), ("UTF-16",)),
        (b"\xff\xfe\0\0" + TEXT.encode("utf-32-le"), ("UTF-32",)),
        (b"\0\0\xfe\xff" + TEXT.encode("utf-32-be"), ("UTF-32",)),
        (gzip.compress(b"\xff\xfe" + TEXT.encode("utf-16-le")), ("gzip", "UTF-16")),
    ],
)
def test_a_document_comes_out_as_it_was(data: bytes, names: tuple[str, ...]) -> None:
    found = unwrap_stream(io.BytesIO(data), max_bytes=len(DATA))
    assert found.wrappings == names
    assert b"".join(found.chunks) == DATA
    assert unwrap(data) == DATA


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\x1f", b"PK\x03\x04", zipped(b"x", "a", "b"), b"\xfe", b"a\0b\0"],
)
def test_what_is_not_wrapped_comes_as_it_is(data: bytes) -> None:
    assert unwrap(data) == data


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (gzip.compress(DATA)[:-9], "bad_gzip"),
        (b"\x1f\x8b\x08junk", "bad_gzip"),
        (gzip.compress(DATA) + b"junk", "bad_gzip"),
        (b"\xff\xfe{\0\x00\xd8", "bad_encoding"),
        (b"\xff\xfe{\0a", "bad_encoding"),
        (zipped(DATA, "a.json").replace(DATA[:1], b"x", 1)[:-1], None),
    ],
)
def test_a_broken_wrapping_is_named(data: bytes, code: str | None) -> None:
    if code is None:
        assert unwrap(data) == data  # no zip at all any more
        return
    with pytest.raises(DocumentRefused) as caught:
        unwrap(data)
    assert caught.value.code == code


ZEROS = bytes(100 * MIB)
BOMBS = {
    "gzip": gzip.compress(ZEROS),
    "gzip in gzip": gzip.compress(gzip.compress(ZEROS)),
    "zip": zipped(ZEROS, "a.json"),
    "gzip in zip": zipped(gzip.compress(ZEROS), "a.json"),
    "many members": gzip.compress(b"") * 200_000,
    "many members of a byte": gzip.compress(b"x") * 200_000,
}


def drain(data: bytes) -> None:
    for _ in unwrap_stream(io.BytesIO(data), max_bytes=4 * MIB).chunks:
        pass


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_with_bounded_work_and_memory(name: str) -> None:
    tracemalloc.start()
    with pytest.raises(DocumentRefused) as caught, at_most(2_000_000):
        drain(BOMBS[name])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code in ("too_large", "bad_gzip")
    assert peak < 16 * MIB

"""Policy documents are read as they are really sent: marked, recoded or packed."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zipfile
from collections.abc import Callable

import pytest

from policy.rules.documents import MAX_DOCUMENT_BYTES
from policy.rules.errors import DocumentError
from policy.rules.runtime_history import parse_runtime_history
from policy.rules.settings_document import parse_settings

SETTINGS = json.dumps({"extensionPolicy": {"profile": "safe"}}).encode()


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("settings.json", data)
    return out.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "mark": lambda data: codecs.BOM_UTF8 + data,
    "utf-16": lambda data: data.decode().encode("utf-16"),
    "utf-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
    "utf-32": lambda data: data.decode().encode("utf-32"),
    "gzip": gzip.compress,
    "zip": zipped,
    "gzip of utf-16": lambda data: gzip.compress(data.decode().encode("utf-16")),
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
def test_wrapped_settings_read_like_plain_ones(wrap: Callable[[bytes], bytes]) -> None:
    assert parse_settings(wrap(SETTINGS)) == parse_settings(SETTINGS)


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
def test_wrapped_history_reads_like_a_plain_one(
    wrap: Callable[[bytes], bytes],
) -> None:
    line = b'{"extension": "x", "from": "unknown", "to": "acknowledged", "ts_ms": 1}\n'
    plain = parse_runtime_history(line * 3)
    assert parse_runtime_history(wrap(line * 3)) == plain


@pytest.mark.parametrize("parse", [parse_settings, parse_runtime_history])
@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"a" * 64)[:20],
        codecs.BOM_UTF16_LE + b"{\x00\x00",
        gzip.compress(b" " * (MAX_DOCUMENT_BYTES * 20)),
    ],
    ids=["cut gzip", "cut utf-16", "a bomb"],
)
def test_damaged_or_endless_wrapping_is_refused_in_words(
    parse: Callable[[bytes], object], data: bytes
) -> None:
    with pytest.raises(DocumentError):
        parse(data)

"""Archives that were made to mislead or to exhaust who checks them."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable

from tests.evidence.proof.archives import FOLDER, members_of

GOOD = members_of(FOLDER / "good.zip")
TOP = next(iter(GOOD)).partition("/")[0] + "/"
MANIFEST = GOOD[TOP + "manifest.json"]
PROOFS = GOOD[TOP + "history/proofs.ndjson"]
SIZE = b'"checkpoint_size":'
MEGABYTE = 1024 * 1024
UNREADABLE, GARBLED = {"unreadable"}, {"unreadable", "manifest_mismatch"}
BROKEN_LINE = {"unreadable", "digest_mismatch"}


def packed(
    *more: tuple[str, bytes], packing: int = zipfile.ZIP_STORED, **changed: bytes
) -> bytes:
    """Return the good archive with members added, and others' bytes changed."""
    out = io.BytesIO()
    names = {"manifest": "manifest.json", "proofs": "history/proofs.ndjson"}
    other = {TOP + names[key]: data for key, data in changed.items()}
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", packing) as file:
        warnings.simplefilter("ignore")
        for name, data in (*{**GOOD, **other}.items(), *more):
            file.writestr(zipfile.ZipInfo(name), data, packing)
    return out.getvalue()


def with_mode(name: str, mode: int) -> bytes:
    out = io.BytesIO(packed())
    with zipfile.ZipFile(out, "a") as file:
        info = zipfile.ZipInfo(TOP + name)
        info.external_attr = mode << 16
        file.writestr(info, b"/etc/passwd")
    return out.getvalue()


def in_directory(place: int, value: bytes) -> bytes:
    """Change bytes of the first member's entry in the ZIP's directory."""
    data = bytearray(packed())
    start = data.index(b"PK\x01\x02") + place
    data[start : start + len(value)] = value
    return bytes(data)


def with_zip64() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in GOOD.items():
            with file.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                member.write(data)
    return out.getvalue()


def with_lying_zip64() -> bytes:
    """Say in a ZIP64 field that a member of some bytes has 2^60."""
    data = in_directory(24, b"\xff\xff\xff\xff")
    start = data.index(b"PK\x01\x02")
    name_length, extra_length = struct.unpack("<HH", data[start + 28 : start + 32])
    assert extra_length == 0
    extra = struct.pack("<HHQ", 1, 8, 1 << 60)
    end = start + 46 + name_length
    made = bytearray(data[:end] + extra + data[end:])
    made[start + 30 : start + 32] = struct.pack("<H", len(extra))
    tail = made.rindex(b"PK\x05\x06")
    (length,) = struct.unpack("<I", made[tail + 12 : tail + 16])
    made[tail + 12 : tail + 16] = struct.pack("<I", length + len(extra))
    return bytes(made)


HOSTILE: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    # How it is made, and the codes that checking it finds.
    "a byte order mark": (lambda: packed(manifest=b"\xef\xbb\xbf" + MANIFEST), GARBLED),
    "a member name twice in JSON": (
        lambda: packed(manifest=MANIFEST.replace(b"{", b'{"_type":"x",', 1)),
        GARBLED,
    ),
    "an integer of 200,000 digits": (
        lambda: packed(manifest=MANIFEST.replace(SIZE, SIZE + b"9" * 200_000)),
        GARBLED,
    ),
    "a number beyond a double": (
        lambda: packed(manifest=MANIFEST.replace(SIZE, SIZE + b'1e400,"x":')),
        GARBLED,
    ),
    "no number": (
        lambda: packed(manifest=MANIFEST.replace(SIZE, b'"x":NaN,' + SIZE)),
        GARBLED,
    ),
    "half of a surrogate pair": (
        lambda: packed(manifest=MANIFEST.replace(b'"title":"', b'"title":"\\ud800')),
        GARBLED,
    ),
    "half a million brackets": (
        lambda: packed(manifest=b"[" * 500_000 + b"]" * 500_000),
        GARBLED,
    ),
    "a proof nested 200,000 deep": (
        lambda: packed(proofs=b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"\n"),
        BROKEN_LINE,
    ),
    "an index beyond 2^53": (
        lambda: packed(
            proofs=PROOFS.replace(b'"leaf_index":', b'"leaf_index":900719925474099300')
        ),
        BROKEN_LINE,
    ),
    "an absolute name": (lambda: packed(("/etc/passwd", b"x")), UNREADABLE),
    "a way up": (lambda: packed((f"{TOP}../../x", b"x")), UNREADABLE),
    "another top folder": (lambda: packed(("other/x", b"x")), UNREADABLE),
    "a name twice": (lambda: packed((TOP + "manifest.json", MANIFEST)), UNREADABLE),
    "a link": (lambda: with_mode("link", 0o120777), UNREADABLE),
    "a device": (lambda: with_mode("device", 0o020666), UNREADABLE),
    "a name in other letters' case": (
        lambda: packed((TOP + "readme.TXT", b"x")),
        {"member_extra"},
    ),
    "a name that reads backwards": (
        lambda: packed((f"{TOP}evil\u202etxt.exe", b"x")),
        {"member_extra"},
    ),
    "a name of 30,000 folders": (
        lambda: packed((TOP + "/".join("a" * 30_000), b"")),
        {"member_extra"},
    ),
    "a manifest of 200 MB of blanks": (
        lambda: packed(
            manifest=b" " * 200 * MEGABYTE + b"{}", packing=zipfile.ZIP_DEFLATED
        ),
        UNREADABLE,
    ),
    "a password": (lambda: in_directory(8, b"\x01"), UNREADABLE),
    "an unknown packing": (lambda: in_directory(10, b"\x0c"), UNREADABLE),
    "a member beyond the end": (
        lambda: in_directory(42, b"\xff\xff\xff\x7f"),
        UNREADABLE,
    ),
    "a size of 2^60 in ZIP64": (with_lying_zip64, UNREADABLE),
    "ZIP64 where none is needed": (with_zip64, set()),
    "no ZIP": (lambda: b"PK\x03\x04 and no more", UNREADABLE),
    "nothing": (lambda: b"", UNREADABLE),
    "an empty ZIP": (lambda: b"PK\x05\x06" + bytes(18), UNREADABLE),
}

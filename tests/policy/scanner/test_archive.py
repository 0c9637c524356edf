"""Unpacking: what is read, what is refused and by which name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from policy.scanner import ArchiveLimits, SourceRefusedError, unpack_source
from tests.evidence.format.test_zips import make_directory_bomb

MIB = 1024 * 1024


def make_zip(members: dict[str, bytes], **attributes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return buffer.getvalue()


def make_tar(members: dict[str, bytes], mode: str = "w", **attributes: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


FILES = {"package/index.js": b"require('vm')", "package/lib/a.ts": b"let a = 1"}


@pytest.mark.parametrize(
    "data",
    [
        make_zip(FILES),
        make_tar(FILES),
        make_tar(FILES, "w:gz"),
        make_tar(FILES, "w:bz2"),
        make_tar(FILES, "w:xz"),
    ],
    ids=["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"],
)
def test_archive_is_unpacked_whatever_its_name(data: bytes):
    files = unpack_source(data, "upload.bin")
    assert {file.path: file.data for file in files} == FILES


def test_plain_file_is_returned_as_it_is():
    (file,) = unpack_source(b"let a = 1", "some/where/index.js")
    assert (file.path, file.data) == ("index.js", b"let a = 1")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_file_is_unpacked(pack):
    (file,) = unpack_source(pack(b"let a = 1"), "index.js.gz")
    assert (file.path, file.data) == ("index.js", b"let a = 1")


@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar"])
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../evil.js", "archive_traversal"),
        ("a/../../evil.js", "archive_traversal"),
        ("a\\..\\..\\evil.js", "archive_traversal"),
        ("/etc/evil.js", "archive_absolute_path"),
        ("C:\\evil.js", "archive_absolute_path"),
        ("\\\\host\\evil.js", "archive_absolute_path"),
        ("a/" * 70 + "x.js", "archive_depth"),
    ],
)
def test_member_that_leaves_the_archive_is_refused_by_name(make, name, code):
    with pytest.raises(SourceRefusedError, match="Member") as caught:
        unpack_source(make({name: b"x"}), "a")
    assert caught.value.code == code
    assert caught.value.member


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (tarfile.SYMTYPE, "archive_link"),
        (tarfile.LNKTYPE, "archive_link"),
        (tarfile.CHRTYPE, "archive_device"),
        (tarfile.BLKTYPE, "archive_device"),
        (tarfile.FIFOTYPE, "archive_device"),
    ],
)
def test_tar_member_that_is_no_file_is_refused_by_name(kind: bytes, code: str):
    data = make_tar({"link.js": b""}, type=kind, linkname="/etc/passwd")
    with pytest.raises(SourceRefusedError, match=r"link\.js") as caught:
        unpack_source(data, "a.tar")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("mode", "code"), [(0o120777, "archive_link"), (0o020666, "archive_device")]
)
def test_zip_member_that_is_no_file_is_refused_by_name(mode: int, code: str):
    data = make_zip({"link.js": b"/etc/passwd"}, external_attr=mode << 16)
    with pytest.raises(SourceRefusedError, match=r"link\.js") as caught:
        unpack_source(data, "a.zip")
    assert caught.value.code == code


def test_encrypted_zip_member_is_refused():
    data = bytearray(make_zip({"a.js": b"x"}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = bytes(data).index(magic) + offset
        struct.pack_into("<H", data, at, struct.unpack_from("<H", data, at)[0] | 1)
    with pytest.raises(SourceRefusedError) as caught:
        unpack_source(bytes(data), "a.zip")
    assert caught.value.code == "archive_encrypted"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a.js", "./a.js", "x/../a.js"[5:], "a.js/"])
def test_duplicate_member_is_refused(second: str):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.js", "1")
        archive.writestr(second, "")
    with pytest.raises(SourceRefusedError) as caught:
        unpack_source(buffer.getvalue(), "a.zip")
    assert caught.value.code == "archive_duplicate"


@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar"])
@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (ArchiveLimits(members=3), "archive_members"),
        (ArchiveLimits(member_bytes=10), "archive_member_size"),
        (ArchiveLimits(total_bytes=50), "archive_total_size"),
    ],
)
def test_limits_are_kept(make, limits: ArchiveLimits, code: str):
    data = make({f"{n}.js": b"x" * 20 for n in range(5)})
    with pytest.raises(SourceRefusedError) as caught:
        unpack_source(data, "a", limits)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "bomb",
    [
        lambda zeros: make_zip({"a.js": zeros}),
        lambda zeros: make_tar({"a.js": zeros}, "w:gz"),
        lambda zeros: make_tar({"a.js": zeros}, "w:xz"),
        lambda zeros: make_tar({"a.js": zeros}, "w:bz2"),
        gzip.compress,
        bz2.compress,
        lzma.compress,
    ],
    ids=["zip", "tar.gz", "tar.xz", "tar.bz2", "gz", "bz2", "xz"],
)
def test_bomb_is_refused_in_bounded_memory(bomb):
    data = bomb(bytes(60 * MIB))
    tracemalloc.start()
    with pytest.raises(SourceRefusedError) as caught:
        unpack_source(data, "bomb", ArchiveLimits(member_bytes=16 * MIB))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code in ("archive_ratio", "archive_member_size")
    assert peak < 40 * MIB


def test_size_that_a_zip_declares_is_not_believed():
    data = bytearray(make_zip({"a.js": bytes(30 * MIB)}))
    at = bytes(data).rindex(b"PK\x01\x02") + 24
    struct.pack_into("<I", data, at, 10)
    with pytest.raises(SourceRefusedError):
        unpack_source(bytes(data), "a.zip")


@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar"])
def test_damaged_archive_is_refused_not_raised(make):
    whole = make({"a.js": os.urandom(4000), "b.js": b"y" * 4000})
    for cut in range(600, len(whole) - 1, 397):
        try:
            unpack_source(whole[:cut], "a")
        except SourceRefusedError as error:
            assert error.code.startswith("archive_")  # noqa: PT017 -- either is right


def test_nested_archive_is_noted_and_not_opened():
    inner = make_zip({"evil.js": b"require('vm')"})
    files = unpack_source(make_zip({"in.zip": inner, "a.js": b"1"}), "a.zip")
    assert {file.path: file.is_archive for file in files} == {
        "in.zip": True,
        "a.js": False,
    }


def test_refusal_never_repeats_control_characters():
    with pytest.raises(SourceRefusedError) as caught:
        unpack_source(make_tar({"../\x1b[31mred": b"x"}), "a.tar")
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("said", [None, 1], ids=["honest", "lying"])
def test_zip_directory_of_millions_is_refused_before_it_is_read(said: int | None):
    data = make_zip({"a.js": b"x"})[:40] + make_directory_bomb(1_000_000, said=said)
    tracemalloc.start()
    with pytest.raises(SourceRefusedError) as caught:
        unpack_source(data, "a.zip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "archive_members"
    assert peak < 2_000_000


def test_zip_whose_count_lies_is_refused():
    data = bytearray(make_zip({"a.js": b"x", "b.js": b"x"}))
    struct.pack_into("<2H", data, len(data) - 14, 1, 1)
    with pytest.raises(SourceRefusedError, match="its directory has 2") as caught:
        unpack_source(bytes(data), "a.zip")
    assert caught.value.code == "archive_unreadable"

"""Hostile archives: each is judged, stops nothing, and is never taken for sound."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.proof.verify_archive import check_archive
from tests.evidence.proof.archives import check
from tests.evidence.proof.hostile import GOOD, HOSTILE, packed


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_judged_and_stops_nothing(
    name: str, tmp_path: Path
) -> None:
    make, codes = HOSTILE[name]
    path = tmp_path / "a.zip"
    path.write_bytes(make())
    assert {fault["code"] for fault in check_archive(str(path), [], [])} == codes


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_archive(path: str) -> None:
    done = check(Path(path))
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


def test_links_and_pipes_in_a_folder_are_never_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(packed())) as file:
        file.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to("/")
    done = check(folder)
    found = {(row["code"], row["path"]) for row in json.loads(done.stdout)["faults"]}
    assert found == {("unreadable", name) for name in ("pipe", "link", "folder")}


def fields() -> Iterator[tuple[str, int]]:
    """Yield every field of a ZIP's own form, with the place of a byte of it."""
    data = packed()
    entry, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    for start, what, places in (
        (0, "local header", (0, 4, 6, 8, 10, 12, 14, 18, 22, 26, 28, 30)),
        (
            entry,
            "directory",
            (0, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 30, 32, 34, 36, 38, 42, 46),
        ),
        (end, "end", (0, 4, 6, 8, 10, 12, 16, 20)),
    ):
        for place in places:
            yield f"{what}+{place}", start + place


@pytest.mark.parametrize(("field", "place"), list(fields()))
def test_a_flipped_bit_of_the_zip_itself_is_found_or_changes_no_member(
    field: str, place: int, tmp_path: Path
) -> None:
    """Times and versions say nothing of the content, which is what was signed."""
    data = bytearray(packed())
    data[place] ^= 1
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    codes = {fault["code"] for fault in check_archive(str(path), [], [])}
    assert codes <= {"unreadable", "member_missing", "member_extra"}
    if not codes:
        with zipfile.ZipFile(path) as file:
            assert {name: file.read(name) for name in file.namelist()} == GOOD

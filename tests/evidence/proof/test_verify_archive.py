"""The checker inside every archive, held against another implementation's vectors."""

from __future__ import annotations

import ast
import itertools
import json
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from evidence.proof import verify_archive
from tests.evidence.proof.archives import (
    CHECKER,
    FOLDER,
    NAMES,
    check,
    expected,
    found_in,
    members_of,
    write_archive,
)

TOP = "SEC-INC-2026-0041/"


@pytest.mark.parametrize("name", NAMES)
def test_every_vector_gets_exactly_its_verdict(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vector = expected(name)
    archive = FOLDER / vector.get("archive", f"{name}.zip")
    if vector.get("unpack"):
        with zipfile.ZipFile(archive) as file:
            file.extractall(tmp_path)
        (archive,) = tmp_path.iterdir()
    arguments = [one.replace("{folder}", str(FOLDER)) for one in vector["args"]]

    try:
        status = verify_archive.main([str(archive), *arguments, "--json"])
    except SystemExit as end:
        status = end.code

    assert status == vector["exit"]
    if status != 4:
        faults = json.loads(capsys.readouterr().out)["faults"]
        assert sorted({fault["code"] for fault in faults}) == vector["codes"]
        assert sorted({fault["path"] for fault in faults}) == sorted(vector["paths"])


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "memory_mb" in expected(name)]
)
def test_memory_stays_flat_where_a_member_would_unpack_to_much(name: str) -> None:
    # From a small process: a child's peak begins at what its parent had.
    code = (
        "import os, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], {}); "
        "print(os.wait4(pid, 0)[2].ru_maxrss)"
    )
    command = [sys.executable, "-I", CHECKER, FOLDER / f"{name}.zip"]
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.split()[-1]) / 1024 < expected(name)["memory_mb"]


def test_it_runs_without_anything_installed() -> None:
    done = check(FOLDER / "good.zip", "--key", str(FOLDER / "log.vkey"))
    assert (done.returncode, json.loads(done.stdout)["faults"]) == (0, [])


def test_it_imports_the_standard_library_alone() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(CHECKER.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert not imported & {"socket", "urllib", "http", "ssl", "sqlite3"}


def test_a_reader_is_told_when_only_keys_inside_were_used() -> None:
    plain = subprocess.run(
        [sys.executable, CHECKER, FOLDER / "good.zip"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Nothing wrong was found." in plain.stdout
    assert "agrees with itself" in plain.stdout


def class_of(name: str) -> str:
    """Name a member's class: its folder, or itself."""
    head, _, rest = name.removeprefix(TOP).partition("/")
    if head in ("records", "history") and rest:
        return rest if head == "history" and rest[0] in "pc" else head
    return head


ALLOWED = {
    # What flipping one bit may be found as, by class of member; more than one where it
    # depends on the bit: JSON that no longer is any, or a hash that no longer fits.
    "README.txt": {"digest_mismatch"},
    "SHA256SUMS": {"manifest_mismatch", "digest_mismatch", "unreadable"},
    "evidence": {"digest_mismatch"},
    "checkpoint.txt": {"digest_mismatch"},
    "consistency.json": {"digest_mismatch"},
    "proofs.ndjson": {"digest_mismatch"},
    "history": {"digest_mismatch"},
    "keys": {"digest_mismatch"},
    "manifest.dsse.json": {
        *("unreadable", "manifest_mismatch", "signature_invalid", "no_fault"),
    },
    "manifest.json": {"manifest_mismatch", "unreadable"},
    "postmortem": {"digest_mismatch"},
    "records": {"digest_mismatch"},
    "verify_archive.py": {"digest_mismatch"},
}
GOOD = members_of(FOLDER / "good.zip")
FLIPS = [
    (name, place)
    for name, data in GOOD.items()
    for place in {0, len(data) * 2 // 3}
    if data
]


@pytest.mark.parametrize(("name", "place"), FLIPS)
def test_a_flipped_bit_is_found_whatever_member_it_is_in(
    name: str, place: int, tmp_path: Path
) -> None:
    data = bytearray(GOOD[name])
    data[place] ^= 1
    archive = write_archive(tmp_path / "a.zip", {**GOOD, name: bytes(data)})

    codes = {code for code, _ in found_in(archive)}

    assert codes & ALLOWED[class_of(name)]
    assert verify_archive.exit_status([{"code": code} for code in codes]) in (1, 3)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_member_that_is_gone_is_missed_and_nothing_else(
    name: str, tmp_path: Path
) -> None:
    left = {key: data for key, data in GOOD.items() if key != name}
    archive = write_archive(tmp_path / "a.zip", left)
    assert found_in(archive) == {("member_missing", name.removeprefix(TOP))}


@pytest.mark.parametrize(
    "name",
    [
        *("x\x00y", "a/../../b", "a//b", "./a", "a\\b", "C:/a", "a\nb", "a/./b"),
        *("../a", "a/..", "\x7f"),
    ],
)
def test_an_unsafe_name_is_unreadable(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_archive(path, GOOD)
    with zipfile.ZipFile(path, "a") as file:
        info = zipfile.ZipInfo("x")
        info.filename = info.orig_filename = TOP + name
        file.writestr(info, b"planted")
    assert {code for code, _ in found_in(path)} == {"unreadable"}


def test_an_archive_packed_anew_by_a_tool_still_holds(tmp_path: Path) -> None:
    """Deflated, with entries for folders, as `zip -r` writes it."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir(TOP.rstrip("/"))
        for name, data in GOOD.items():
            file.writestr(name, data)
    assert not found_in(path)


def test_wrong_use_has_its_own_status(tmp_path: Path) -> None:
    assert check(tmp_path / "nothing.zip").returncode == 4
    assert check(FOLDER / "good.zip", "--key", "nonsense").returncode == 4


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    assert check(FOLDER / "good.zip", "--checkpoint", str(tmp_path)).returncode == 4


ODD = [None, {"a": 1}, True, [1], "x", -1.5, [], {}]


@pytest.mark.parametrize(
    "member",
    [
        *("manifest.json", "manifest.dsse.json", "history/consistency.json"),
        *("history/proofs.ndjson", "records/reports.ndjson"),
    ],
)
def test_a_value_of_any_type_is_judged_and_stops_nothing(
    member: str, tmp_path: Path
) -> None:
    """Every member of the first document, and of the manifest's predicate, in turn."""
    values = itertools.cycle(ODD)
    first, _, rest = GOOD[TOP + member].partition(b"\n")
    document = json.loads(first)
    for holder in (document, document.get("predicate", {})):
        for name, kept in list(holder.items()):
            holder[name] = next(values)
            data = json.dumps(document).encode() + b"\n" + rest
            archive = write_archive(tmp_path / "a.zip", {**GOOD, TOP + member: data})
            assert verify_archive.check_archive(str(archive), [], [])
            holder[name] = kept


def test_a_second_digest_of_a_member_counts_too(tmp_path: Path) -> None:
    sums = GOOD[TOP + "SHA256SUMS"]
    planted = sums.replace(sums[:64], b"0" * 64, 1).split(b"\n")[0] + b"\n" + sums
    archive = write_archive(tmp_path / "a.zip", {**GOOD, TOP + "SHA256SUMS": planted})
    name = sums.split(b"\n")[0][66:].decode()
    assert ("digest_mismatch", name) in found_in(archive)


def test_bytes_behind_the_listed_size_are_found_though_the_crc_fits(
    tmp_path: Path,
) -> None:
    """A reader that stops at the listed size would see the good bytes alone."""
    path, name = tmp_path / "a.zip", TOP + "README.txt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member, data in GOOD.items():
            file.writestr(member, data + b"more" if member == name else data)
        info = file.getinfo(name)
        info.file_size, info.CRC = len(GOOD[name]), zlib.crc32(GOOD[name])
    with zipfile.ZipFile(path) as file:
        assert file.read(name) == GOOD[name]
    assert found_in(path) == {("unreadable", "README.txt")}


def test_an_empty_folder_is_no_archive(tmp_path: Path) -> None:
    assert found_in(tmp_path) == {("unreadable", "")}


def test_every_function_of_the_checker_says_what_it_does() -> None:
    tree = ast.parse(CHECKER.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert len(functions) > 90
    assert [node.name for node in functions if not ast.get_docstring(node)] == []

"""Hostile source costs its own file, and nothing else."""

import signal

import pytest

from evidence.queue.limits import SCANNING
from policy.scanner import Classification, FileReport, SourceFile, scan_source
from policy.services.scan_child import MEMORY_BYTES
from policy.services.scan_process import ARCHIVE_WALL_SECONDS, ScanProcess
from tests.policy.scanner.test_archive import make_zip

FORBIDDEN = b"require('vm')"
# A million nodes: a gigabyte of them, were they all kept.
HUNGRY = b"f(x);" * 300_000
# A chain of half a million calls, each of which is as long as all before it.
SLOW = b"`" * 1_000_000


def scan(process: ScanProcess, source: bytes, name: str = "a.js") -> FileReport:
    return process.scan(SourceFile(name, source), is_run=True)


def rules(report: FileReport) -> set[str]:
    return {entry.rule for entry in report.entries}


def test_a_file_says_the_same_in_a_process_of_its_own() -> None:
    source = b"const p = 'child_' + 'process';\nrequire(p).exec('id');\neval('1');\n"
    with ScanProcess() as process:
        apart = scan_source(source, "a.js", scan_one=process.scan)
    assert apart.as_dict() == scan_source(source, "a.js").as_dict()


def test_what_a_file_loads_is_read_as_code_in_a_process_of_its_own_too() -> None:
    files = {"a.js": b"const p = './x.md'; require(p)", "x.md": FORBIDDEN}
    with ScanProcess() as process:
        report = scan_source(make_zip(files), "ext.zip", scan_one=process.scan)
    assert rules(report.files[1]) == {"forbidden-module"}


@pytest.mark.live
def test_a_file_that_takes_too_much_memory_is_flagged_and_the_next_is_read() -> None:
    files = {"a.js": b"require('vm');" + HUNGRY, "b.js": b"require('net')"}
    with ScanProcess() as process:
        report = scan_source(make_zip(files), "ext.zip", scan_one=process.scan)
    first, second = report.files
    assert not first.is_complete
    assert "not-fully-analysed" in rules(first)
    # What reading line by line finds is kept.
    assert "forbidden-module" in rules(first)
    assert second.is_complete
    assert second.classification is Classification.FORBIDDEN


def test_a_file_that_takes_too_much_time_is_flagged_and_the_next_is_read() -> None:
    with ScanProcess(file_seconds=1) as process:
        first = scan(process, SLOW)
        second = scan(process, FORBIDDEN)
    assert not first.is_complete
    assert first.classification is Classification.FLAGGED
    assert "1 s of the processor" in first.entries[0].why
    assert second.classification is Classification.FORBIDDEN


def test_a_child_that_is_killed_costs_one_file() -> None:
    with ScanProcess() as process:
        scan(process, FORBIDDEN)
        assert process._child is not None
        process._child.send_signal(signal.SIGKILL)
        process._child.wait()
        assert not scan(process, b"x()").is_complete
        assert scan(process, FORBIDDEN).is_complete


def test_what_its_worker_holds_does_not_wear_a_child_out() -> None:
    held = bytearray(b"x") * (MEMORY_BYTES // 2)
    with ScanProcess() as process:
        scan(process, FORBIDDEN)
        first = process._child
        scan(process, FORBIDDEN)
    assert first is not None
    assert len(held) == MEMORY_BYTES // 2


def test_an_archive_out_of_time_names_what_was_not_read() -> None:
    with ScanProcess(archive_seconds=0) as process:
        first = scan(process, FORBIDDEN)
        second = scan(process, FORBIDDEN, "b.js")
    assert first.classification is Classification.FORBIDDEN
    assert rules(second) == {"not-analysed"}
    assert not second.is_complete


def test_a_scan_ends_with_a_report_before_its_task_is_ended() -> None:
    assert SCANNING.soft_seconds > ARCHIVE_WALL_SECONDS


def test_no_process_is_left_behind() -> None:
    with ScanProcess() as process:
        scan(process, FORBIDDEN)
        child = process._child
    assert child is not None
    assert child.returncode is not None

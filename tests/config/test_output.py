"""What `make run` shows of its parts, and where the rest goes."""

import re
from pathlib import Path

import pytest

from config.launcher.errors import LaunchError
from config.launcher.output import FILE, KEPT_FILES, PartLog, read_verbosity

INFO = "2026-03-10T12:00:00.000000Z [info     ] task succeeded   [celery] id=1"
WARNING = "2026-03-10T12:00:00.000000Z [warning  ] disk is filling  [config]"
ERROR = "2026-03-10T12:00:00.000000Z [error    ] task failed      [celery] id=2"
TRACEBACK = ["Traceback (most recent call last):", "  File x", "ValueError: no"]
MAIL = ["Content-Type: text/plain", "Subject: due soon", "", "Somebody is told."]


def show(
    folder: Path, capsys: pytest.CaptureFixture[str], lines: list[str], **options: bool
) -> list[str]:
    log = PartLog(folder, **{"verbose": False, **options})
    for line in lines:
        log.take_line("worker", line)
    log.close()
    return [line.split("| ", 1)[1] for line in capsys.readouterr().out.splitlines()]


def test_warnings_and_errors_are_shown_and_the_rest_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [INFO, WARNING, INFO, *MAIL, ERROR, *TRACEBACK, INFO, *MAIL]
    assert show(tmp_path, capsys, lines) == [WARNING, ERROR, *TRACEBACK]


def test_fault_before_any_log_line_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(tmp_path, capsys, TRACEBACK) == TRACEBACK


def test_all_of_it_is_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [INFO, *MAIL, ERROR, *TRACEBACK]
    show(tmp_path, capsys, lines)
    kept = (tmp_path / FILE).read_text().splitlines()
    assert [line.split("| ", 1)[1] for line in kept] == lines
    assert all(line.startswith("worker") for line in kept)


def test_verbose_shows_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(tmp_path, capsys, [INFO, *MAIL], verbose=True) == [INFO, *MAIL]


def test_lines_of_two_parts_are_not_taken_for_each_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = PartLog(tmp_path, verbose=False)
    log.take_line("worker", ERROR)
    log.take_line("web", "  a line that goes on with nothing")
    log.take_line("worker", TRACEBACK[0])
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert log.last_lines("web").endswith("nothing")
    assert log.last_lines("beat") == "(nothing)"


def test_file_is_turned_over(tmp_path: Path) -> None:
    log = PartLog(tmp_path, verbose=False, max_bytes=2_000)
    for number in range(1_000):
        log.take_line("web", f"{INFO} {number}")
    log.close()
    files = list(tmp_path.iterdir())
    assert len(files) == KEPT_FILES + 1
    assert all(path.stat().st_size <= 2_000 for path in files)
    newest = (tmp_path / FILE).read_text().splitlines()[-1]
    assert re.search(r"\b999$", newest)


@pytest.mark.parametrize(
    ("value", "expected"), [("", False), ("0", False), ("1", True), ("YES", True)]
)
def test_verbose_is_read(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    monkeypatch.setenv("VERBOSE", value)
    assert read_verbosity() is expected


def test_verbose_that_is_neither_yes_nor_no_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VERBOSE", "loud")
    with pytest.raises(LaunchError, match="VERBOSE must be 1 or 0"):
        read_verbosity()

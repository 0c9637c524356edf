"""`make audit` never takes an answer that it did not get for a good one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.launcher.audit import CLEAN, ROOT, UNKNOWN, VULNERABLE, audit, judge

SOUND = {"name": "a", "version": "1", "vulns": []}
HURT = {
    "name": "b",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}],
}
SKIPPED = {"name": "c", "skip_reason": "Dependency not found"}


def answering(text: str, code: int = 0) -> tuple[str, ...]:
    """Return a command that stands in for pip-audit and its database."""
    script = f"import sys; print({text!r}); sys.exit({code})"
    return (sys.executable, "-c", script)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([SOUND], CLEAN),
        ([SOUND, HURT], VULNERABLE),
        ([SOUND, SKIPPED], UNKNOWN),
        ([SKIPPED], UNKNOWN),
        ([HURT, SKIPPED], VULNERABLE),
        ([], UNKNOWN),
    ],
)
def test_exit_code_says_what_was_found(
    found: list[dict[str, Any]], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps({"dependencies": found})
    # pip-audit itself ends with 0 where it skipped all there is.
    assert audit(answering(text, int(HURT in found))) == code
    told = capsys.readouterr().out
    assert ("NOT AUDITED" in told) == (SKIPPED in found or not found)
    assert ("none with a known vulnerability" in told) == (code == CLEAN)
    assert ("b 2: PYSEC-1, mended in 2.1" in told) == (HURT in found)


@pytest.mark.parametrize("text", ["", "not json", "[]", "{}", "null"])
def test_tool_that_says_nothing_of_use_is_no_good_answer(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(answering(text)) == UNKNOWN
    assert "NOT AUDITED" in capsys.readouterr().out


def test_nothing_found_is_no_good_answer() -> None:
    assert judge([]) == UNKNOWN


def test_a_database_that_never_answers_is_waited_for_so_long(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waiting = (sys.executable, "-c", "import time; time.sleep(60)")
    assert audit(waiting, seconds=0.2) == UNKNOWN
    assert "NOT AUDITED" in capsys.readouterr().out


def run_ci(folder: Path, *, audited: int, linted: int = 0) -> tuple[int, str]:
    """Run .ci/run where every other part is a stand-in; return its code and words."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    stand_ins = {
        "bin/chromium": 0,
        "bin/make": f'case "$*" in *lint*) exit {linted} ;; esac',
        ".venv/bin/python": f'echo "asked: $*"; exit {audited}',
    }
    for name, does in stand_ins.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{does or ''}\n")
        path.chmod(0o755)
    ran = subprocess.run(
        [folder / ".ci" / "run"],
        env={"PATH": f"{folder}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    return ran.returncode, ran.stdout


@pytest.mark.parametrize(
    ("audited", "linted", "code"),
    [(CLEAN, 0, 0), (VULNERABLE, 0, 1), (UNKNOWN, 0, 0), (UNKNOWN, 2, 2), (9, 0, 9)],
)
def test_ci_asks_each_time_and_takes_no_answer_for_no_pass(
    tmp_path: Path, audited: int, linted: int, code: int
) -> None:
    ended, told = run_ci(tmp_path, audited=audited, linted=linted)
    assert ended == code
    assert "asked: -m config.launcher.audit" in told
    assert ("NOT ASKED" in told) == (audited == UNKNOWN)

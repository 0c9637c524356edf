"""The command on the published cases, without a database or production's settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.incidents.findings.vectors import CASES, FOLDER, faults_of

ROOT = Path(__file__).resolve().parents[3]
FORM = {"class", "id", "version", "verdict", "sentence", "pointers", "inputs"}


@pytest.mark.parametrize("name", CASES)
def test_command_answers_as_the_case_expects(name: str) -> None:
    expected = json.loads((FOLDER / name / "expect.json").read_text())
    bare = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "manage.py"),
            "answer_playbook",
            *expected["args"],
            "--json",
        ],
        cwd=FOLDER / name,
        env=bare,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(set(line) == FORM for line in lines)
    assert faults_of(lines, expected) == []
    given = {word for word in expected["args"] if not word.startswith(("--", "INC"))}
    assert all(set(line["inputs"]) <= given for line in lines)

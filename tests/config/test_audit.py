"""`make audit` never takes an answer that it did not get for a good one."""

import json
import sys
from typing import Any

import pytest

from config.launcher.audit import CLEAN, UNKNOWN, VULNERABLE, audit, judge

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

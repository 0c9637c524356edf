"""`make faults`: real faults, and a table of what was promised and what was counted.

Every test says its fault and its promise in `@pytest.mark.promise`, so that the table
has a row for it whatever becomes of it: held, broken, or not tried and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.faults.installation import Installation, running_installation

HEAD = ("Fault", "Promise", "Counted", "Result")
Counted = Callable[[str], None]


@dataclass
class Row:
    fault: str
    promise: str
    counted: str = ""
    result: str = "broken"

    def cells(self) -> tuple[str, ...]:
        return (self.fault, self.promise, self.counted or "nothing", self.result)


ROWS: dict[str, Row] = {}


@pytest.fixture(scope="module")
def casefile() -> Iterator[Installation]:
    with running_installation() as made:
        yield made


@pytest.fixture
def counted(request: pytest.FixtureRequest, casefile: Installation) -> Counted:
    """Note what was counted, for this test's row of the table, and how quick all was
    before anything was broken."""
    casefile.note_pace()

    def note(text: str) -> None:
        before = f"a sign-in before it took {casefile.usual_sign_in:.1f} s"
        _row_of(request.node).counted = f"{text}; {before}"

    return note


def _row_of(item: pytest.Item) -> Row:
    mark = item.get_closest_marker("promise")
    assert mark is not None, f"{item.name} does not say its promise"
    return ROWS.setdefault(item.nodeid, Row(*mark.args))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    report: Any = yield
    if item.get_closest_marker("promise") is not None:
        _note_result(_row_of(item), report)
    return report


def _note_result(row: Row, report: pytest.TestReport) -> None:
    """Keep the worst of a test's three reports: its set-up, itself, its clearing up."""
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        row.counted, row.result = reason.removeprefix("Skipped: "), "not tried"
    elif report.failed:
        row.result = "BROKEN"
        row.counted = row.counted or _last_line(report)
    elif report.when == "call":
        row.result = "held"


def _last_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    said = str(crash.message if crash else report.longrepr)
    return said.splitlines()[0][:200] if said else ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not ROWS:
        return
    terminalreporter.write_line("")
    rows = [row.cells() for row in ROWS.values()]
    for cells in (HEAD, ("---",) * len(HEAD), *rows):
        told = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
        terminalreporter.write_line(f"| {' | '.join(told)} |")

"""`make faults`: real faults, and a table of what was promised and what was counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.installation import Installation, running_installation

ROWS: list[tuple[str, str, str]] = []
Counted = Callable[[str, str, str], None]


@pytest.fixture(scope="module")
def casefile() -> Iterator[Installation]:
    with running_installation() as made:
        yield made


@pytest.fixture(scope="session")
def counted() -> Counted:
    """Note a line of the table: fault, promise, what was counted."""
    return lambda fault, promise, count: ROWS.append((fault, promise, count))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not ROWS:
        return
    terminalreporter.write_line("")
    for row in (("Fault", "Promise", "Counted"), ("---", "---", "---"), *ROWS):
        terminalreporter.write_line(f"| {' | '.join(row)} |")

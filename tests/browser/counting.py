"""Counts what a case costs a person: clicks made, and pages loaded, phase by phase."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Every click that a person makes is seen before any handler of the page; a click that
# a script makes, or that a label passes on to its field, is none.
REPORT_CLICKS = """
addEventListener("click", (event) => {
  if (event.isTrusted && event.detail > 0) reportClick();
}, true);
"""


@dataclass
class Cost:
    """What one phase took."""

    phase: str
    clicks: int = 0
    loads: int = 0


class Counter:
    """Watches the page of one person."""

    def __init__(self, page: Page) -> None:
        self.costs: list[Cost] = []
        self._current: Cost | None = None
        page.expose_function("reportClick", self._click)
        page.add_init_script(REPORT_CLICKS)
        page.on("domcontentloaded", lambda _: self._load())
        # What is on screen already has neither.
        page.evaluate(REPORT_CLICKS)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._current = Cost(name)
        yield
        self.costs.append(self._current)
        self._current = None

    def _click(self) -> None:
        if self._current:
            self._current.clicks += 1

    def _load(self) -> None:
        if self._current:
            self._current.loads += 1

    def table(self) -> str:
        """Return the counts for people to read."""
        lines = [f"{'phase':<12}{'clicks':>8}{'page loads':>12}"]
        lines += [f"{c.phase:<12}{c.clicks:>8}{c.loads:>12}" for c in self.costs]
        return "\n".join(lines)

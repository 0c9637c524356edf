"""No call of what works long stands on an edge of CPython's stack.

tests/config/test_web_worker.py asks the same of a request. What an edge costs a scan is
measured by tests/bench/bench_stack.py.
"""

from __future__ import annotations

from config.tasks import NotedTask
from evidence.call_stack import call_with_room
from tests.call_edges import CALLS, worst_faults


def test_with_room_no_depth_has_an_edge() -> None:
    # Some depth has one without: else this would say nothing.
    assert worst_faults() >= CALLS
    assert call_with_room(worst_faults) < CALLS / 10


def test_a_task_has_room() -> None:
    class Counting(NotedTask):
        name = "counting"

        def run(self) -> int:
            return worst_faults()

    assert Counting()() < CALLS / 10

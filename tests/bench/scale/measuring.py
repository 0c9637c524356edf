"""What a question costs: its queries, its time, and the plan of what reads most."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil
from django.db import DatabaseError, connection, transaction

ROUNDS = 2
ENOUGH_SECONDS = 1.0
"""What takes as long once is not asked again to see whether it was the first time."""
LONGEST_SECONDS = 20
"""A statement that takes longer is given up, and its plan told without its figures."""
LONGEST_SQL = 4_000
EXPLAINED = 3


@dataclass
class Statement:
    sql: str
    params: Any
    seconds: float


@dataclass
class Seen:
    """The statements of one request."""

    statements: list[Statement] = field(default_factory=list)

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: Any,
        many: bool,
        context: Any,
    ) -> Any:
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            taken = time.perf_counter() - start
            self.statements.append(Statement(sql, params, taken))


@dataclass
class Figure:
    """What one question cost one person. Times in ms.

    `processor_ms` is of this process and of the one that serves its connection: on a
    machine that others use, too, it says more than the time that passed.
    """

    name: str
    role: str
    url: str
    status: int
    queries: int
    ms: float
    processor_ms: float
    database_ms: float
    size_bytes: int
    slowest_ms: float = 0.0
    slowest: str = ""
    buffers: int = 0
    rows_read: int = 0
    scanned: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    name: str, role: str, url: str, ask: Callable[[str], Any], *, rounds: int = ROUNDS
) -> tuple[Figure, list[Statement]]:
    """Ask until it is warm; return the quickest round, and what it asked for."""
    asked = []
    for _ in range(rounds):
        with seen_statements() as seen:
            start, used = time.perf_counter(), processor_seconds()
            answer = ask(url)
            size = len(_body(answer))
            taken, used = time.perf_counter() - start, processor_seconds() - used
        asked.append((taken, used, answer.status_code, size, seen.statements))
        if taken > ENOUGH_SECONDS:
            break
    taken, used, status, size, found = min(asked, key=lambda one: one[0])
    figure = Figure(
        name=name,
        role=role,
        url=url,
        status=status,
        queries=len(found),
        ms=1000 * taken,
        processor_ms=1000 * used,
        database_ms=1000 * sum(one.seconds for one in found),
        size_bytes=size,
    )
    return figure, found


def explain(figure: Figure, statements: list[Statement]) -> None:
    """Note of the statement that reads most how it was answered.

    It is looked for among the slowest: on a busy machine the slowest by itself may be
    any that had to wait.
    """
    reading = sorted(
        (one for one in statements if _reads(one.sql)), key=lambda one: -one.seconds
    )
    planned = [
        (one, plan["Plan"])
        for one in reading[:EXPLAINED]
        if (plan := read_plan(one, analyze=True)) is not None
    ]
    if not planned:
        return
    slowest, plan = max(planned, key=lambda one: buffers_of(one[1]))
    figure.slowest = slowest.sql[:LONGEST_SQL]
    figure.slowest_ms = plan["Actual Total Time"]
    figure.buffers = buffers_of(plan)
    for depth, node in nodes(plan):
        figure.rows_read += rows_of(node)
        if node["Node Type"] == "Seq Scan":
            figure.scanned.append(node["Relation Name"])
        figure.plan.append(_line(depth, node))


def buffers_of(plan: dict[str, Any]) -> int:
    """Return how many blocks of 8 kB a plan looked at, in memory or not."""
    return int(plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0))


def rows_of(node: dict[str, Any]) -> int:
    """Return how many rows a node took in hand, those that it threw away included."""
    found = node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)
    return int(node.get("Actual Loops", 1) * found)


def _line(depth: int, node: dict[str, Any]) -> str:
    words = [node["Node Type"], node.get("Relation Name"), node.get("Index Name")]
    named = " ".join(word for word in words if word)
    return (
        f"{'  ' * depth}{named} rows={rows_of(node)} loops={node['Actual Loops']:g} "
        f"ms={node['Actual Total Time']:.2f}"
    )


def read_plan(statement: Statement, *, analyze: bool) -> dict[str, Any] | None:
    """Return the plan of a statement, run or not; None where it cannot be planned."""
    options = "ANALYZE, BUFFERS, FORMAT JSON" if analyze else "FORMAT JSON"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # The driver's cursor itself: what is measured is not measured again.
            cursor.cursor.execute(
                f"EXPLAIN ({options}) {statement.sql}", statement.params
            )
            [found] = cursor.fetchone()
            transaction.set_rollback(True)
    except DatabaseError:  # not what can be planned: a cursor, a lock
        return None
    plans = json.loads(found) if isinstance(found, str) else found
    return dict(plans[0])


def nodes(plan: dict[str, Any], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield a plan's nodes from the top, each with its depth."""
    yield depth, plan
    for part in plan.get("Plans", ()):
        yield from nodes(part, depth + 1)


@contextmanager
def seen_statements() -> Iterator[Seen]:
    """Note every statement of this connection."""
    seen = Seen()
    with connection.execute_wrapper(seen):
        yield seen


def processor_seconds() -> float:
    """Return what this process and its database session have used of the processor."""
    connection.ensure_connection()
    served = psutil.Process(connection.connection.info.backend_pid).cpu_times()
    return float(time.process_time() + served.user + served.system)


def _reads(sql: str) -> bool:
    return sql.lstrip(" (\n").upper().startswith(("SELECT", "WITH"))


def _body(answer: Any) -> bytes:
    if answer.streaming:
        return b"".join(answer.streaming_content)
    return bytes(answer.content)

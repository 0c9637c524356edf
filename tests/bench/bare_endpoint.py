"""The least that an endpoint for alerts could be: one INSERT, committed, and an answer.

It knows no rules, no tokens, no history. What Casefile's intake costs is told as a part
of this one, since a rate alone says more about a machine than about a program.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

TABLE = "bare_alert"
_own = threading.local()


def application(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Store the body as it is, and answer 201 once it is committed."""
    if environ["REQUEST_METHOD"] != "POST":
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    _connection().execute(
        f"INSERT INTO {TABLE} (document) VALUES (%s::jsonb)", [body.decode()]
    )
    answer = b'{"result":"accepted"}'
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(answer))),
    ]
    start_response("201 Created", headers)
    return [answer]


def _connection() -> psycopg.Connection[Any]:
    if not hasattr(_own, "connection"):
        url = os.environ["DATABASE_URL"]
        _own.connection = psycopg.connect(url, autocommit=True)
    connection: psycopg.Connection[Any] = _own.connection
    return connection


def make_table() -> None:
    """Make the table that the bare endpoint writes into."""
    _connection().execute(
        f"CREATE TABLE IF NOT EXISTS {TABLE}"
        " (id bigserial PRIMARY KEY, document jsonb NOT NULL)"
    )

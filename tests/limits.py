"""Waiting shorter than a session does, where a test waits to the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def short_limits(name: str = "lock_timeout") -> Iterator[None]:
    """Let the session of this thread wait a tenth of a second and no more."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET {name} = '100ms'")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"RESET {name}")

"""Statements that are sent with nearly every request, planned once a connection."""

from __future__ import annotations

from typing import Any, cast

from django.db import connection

from evidence.database.base import DatabaseWrapper


def kept_plans() -> Any:
    """Return a cursor whose statements the server plans once a connection."""
    return cast(DatabaseWrapper, connection).kept_plans()

"""Sessions in the database, whose own failing is not taken for the session's end."""

from __future__ import annotations

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import OperationalError


class SessionStore(db.SessionStore):
    """Django's, which tells any error of the database as a session that is gone.

    A database that was away as a page was done would sign people out, by its word.
    """

    def save(self, must_create: bool = False) -> None:
        try:
            super().save(must_create)
        except UpdateError as ended:
            if isinstance(ended.__context__, OperationalError):
                raise ended.__context__ from None
            raise

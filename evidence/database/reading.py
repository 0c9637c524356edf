"""Requests of who only reads: under a database role that cannot write.

The role is taken by the request's own session of the database, for as long as the
request lasts (PostgreSQL's SET ROLE). Casefile has its sessions to itself, and refuses
a pooler that shares them out, so nobody else meets the role. A connection that is made
anew in between takes the role again; one that goes back to a pool gives it up first.

What is still written for such a request is written by the application's own role, in
a block that names its Purpose. There is no other way to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, cast

from django.conf import settings
from django.db import connection

from evidence.database.base import DatabaseWrapper


class Purpose(StrEnum):
    """Why something is written for a request that only reads. This is all there is."""

    READ = "that they read it"
    CUSTODY = "that they saw evidence, or took it"
    ARCHIVE = "that they asked for an archive of a case, or took one"
    CHECK = "that they had something checked, and what was found"
    POSTMORTEM = "that they asked for a postmortem as PDF"
    OWN_SETTINGS = "what they are told, and how pages are shown to them"
    SENT_FORM = "that a form was sent, so that it is carried out once"


def begin_reading() -> None:
    """Have this thread's connection read only, until `end_reading`.

    Raise ReadingRoleMissing where the role is not there: nothing is read by another.
    Without DATABASE_READ_ROLE nothing changes, and the page System says so.
    """
    role = settings.DATABASE_READ_ROLE
    if role and not own().reads_as:
        own().begin_reading(role)


def end_reading() -> None:
    """Have this thread's connection work with the application's own role again."""
    if own().reads_as:
        own().end_reading()


@contextmanager
def reading() -> Iterator[None]:
    """Read only in this block."""
    begin_reading()
    try:
        yield
    finally:
        end_reading()


@contextmanager
def written_for_reader(purpose: Purpose, *, reads_on: bool = True) -> Iterator[None]:
    """Work with the application's own role in this block, where one only reads.

    Who has read all that there is to read keeps that role: taking the other again costs
    as much as a write.
    """
    role = own().reads_as
    if not role:
        yield
        return
    own().end_reading()
    own().writes_for = purpose
    try:
        yield
    finally:
        own().writes_for = ""
        if reads_on:
            own().begin_reading(role)


def own() -> DatabaseWrapper:
    # Django's handle stands for this thread's wrapper, which settings make ours.
    handle: Any = connection
    return cast(DatabaseWrapper, handle)

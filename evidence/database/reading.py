"""Requests of who only reads: under a database role that cannot write.

The role is taken by the request's own session of the database, for as long as the
request lasts (PostgreSQL's SET ROLE). Casefile has its sessions to itself, and refuses
a pooler that shares them out, so nobody else meets the role. A connection that is made
anew in between takes the role again; one that goes back to a pool gives it up first.

With REPLICA_DATABASE_URL such a request may read from the replica instead, under the
same role (evidence/database/replica.py).

What is still written for such a request is written by the application's own role, in
a block that names its Purpose. There is no other way to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import cast

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from evidence.database.base import DatabaseWrapper
from evidence.database.replica import ReplicaWrapper, take_replica


class Purpose(StrEnum):
    """Why something is written for a request that only reads. This is all there is."""

    READ = "that they read it"
    CUSTODY = "that they saw evidence, or took it"
    ARCHIVE = "that they asked for an archive of a case, or took one"
    CHECK = "that they had something checked, and what was found"
    POSTMORTEM = "that they asked for a postmortem as PDF"
    OWN_SETTINGS = "what they are told, and how pages are shown to them"
    SENT_FORM = "that a form was sent, so that it is carried out once"


def begin_reading(*, may_lag: bool = False) -> None:
    """Have this thread's connection read only, until `end_reading`.

    What may lag is read from the replica, where there is one that can be used.
    Raise ReadingRoleMissing where the role is not there: nothing is read by another.
    Without DATABASE_READ_ROLE nothing changes, and the page System says so.
    """
    role = settings.DATABASE_READ_ROLE
    if not role or own().reads_as:
        return
    if not (may_lag and take_replica(own(), role)):
        own().begin_reading(role)


def end_reading() -> None:
    """Have this thread's connection work with the application's own role again."""
    held = own()
    if isinstance(held, ReplicaWrapper):
        held.leave()
    elif held.reads_as:
        held.end_reading()


def leave_replica() -> bool:
    """Read the rest of this request from the primary; return whether it did not yet."""
    held = own()
    if not isinstance(held, ReplicaWrapper):
        return False
    held.leave_for_good()
    return True


@contextmanager
def reading(over: DatabaseWrapper | None = None) -> Iterator[None]:
    """Read only in this block, and over the connection that an answer began with."""
    if over is None:
        begin_reading()
    elif not own().reads_as:
        _read_on(over, settings.DATABASE_READ_ROLE)
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
    held = own()
    role = held.reads_as
    if not role:
        yield
        return
    end_reading()
    own().writes_for = purpose
    try:
        yield
    finally:
        own().writes_for = ""
        if reads_on:
            _read_on(held, role)


def _read_on(held: DatabaseWrapper, role: str) -> None:
    """Read where the request has read so far: never behind what it was shown."""
    if isinstance(held, ReplicaWrapper) and not held.is_left:
        held.take()
    else:
        own().begin_reading(role)


def own() -> DatabaseWrapper:
    # This thread's, which settings make ours; the replica's while that is read from.
    return cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS])

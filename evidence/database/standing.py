"""How a streaming replica stands to its primary: values in, a verdict out.

The lag is how old at most is what the replica has. It has everything up to a position
in the primary's log: what was there when the primary had come no further. An idle
primary moves nowhere, so its replica lags behind nothing, however old its last commit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

OF_PRIMARY = """
    SELECT system_identifier::text,
           left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
           (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
           (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint,
           extract(epoch FROM clock_timestamp())::float
      FROM pg_control_system()
"""
# A replica's timeline is where its control file says that it may stop; it comes there
# some minutes after its primary did.
TIMELINE = "upper(lpad(to_hex(min_recovery_end_timeline), 8, '0'))"
OF_REPLICA = f"""
    SELECT system_identifier::text,
           {TIMELINE},
           (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
           coalesce(pg_last_wal_replay_lsn() - '0/0'::pg_lsn, 0)::bigint,
           coalesce(extract(epoch FROM pg_last_xact_replay_timestamp()), 0)::float,
           pg_is_in_recovery()::int
      FROM pg_control_system(), pg_control_recovery()
"""  # noqa: S608  (nothing of anybody's is in it)


class Use(StrEnum):
    """Whether the replica is read from, and why not."""

    IN_USE = "in use"
    BEHIND = "too far behind"
    AWAY = "away"
    WRONG = "not a replica"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Standing:
    """A verdict in words; `lag` in seconds, None where nobody can tell."""

    use: Use
    detail: str
    lag: float | None = None


@dataclass(frozen=True)
class Place:
    """Where a server is: whose log it has, how far, and when by the primary's clock.

    `position` is in bytes. `clock` is now for a primary; for a replica it is when the
    last transaction was committed that it has, and 0 where it has seen none.
    """

    cluster: str
    timeline: str
    database: int
    position: int
    clock: float


@dataclass(frozen=True)
class Mark:
    """How far the primary had come, at a moment of this process's monotonic clock."""

    at: float
    position: int


def judge(
    primary: Place, replica: Place, marks: Iterable[Mark], *, now: float, most: float
) -> Standing:
    """Return whether a server in recovery may be read from: `most` seconds behind.

    The replica was asked after the primary; `marks` are of before.
    """
    if replica.cluster != primary.cluster:
        return Standing(Use.WRONG, "it is of another cluster than DATABASE_URL")
    if replica.database != primary.database:
        return Standing(Use.WRONG, "it is another database than that of DATABASE_URL")
    if replica.timeline != primary.timeline:
        told = "the primary has begun another timeline, and it has not followed yet"
        return Standing(Use.BEHIND, told)
    lag = measure_lag(primary, replica, marks, now=now)
    if lag is None:
        return Standing(Use.UNKNOWN, "nobody can tell yet how far behind it is")
    if lag > most:
        told = f"it is {lag:.0f} s behind, and {most:g} s are the most"
        return Standing(Use.BEHIND, told, lag)
    behind = f"{lag:.1f} s behind" if lag else "it has all that the primary has"
    return Standing(Use.IN_USE, behind, lag)


def measure_lag(
    primary: Place, replica: Place, marks: Iterable[Mark], *, now: float
) -> float | None:
    """Return how old at most is what the replica has, in seconds."""
    if replica.position >= primary.position:
        return 0.0
    ages = [now - mark.at for mark in marks if mark.position <= replica.position]
    if replica.clock:
        ages.append(max(0.0, primary.clock - replica.clock))
    return min(ages, default=None)

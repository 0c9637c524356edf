"""Kill switches as CSV and JSON, for people and for spreadsheets."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from typing import Any

from evidence.spreadsheets import write_table
from policy.models import KillSwitch

COLUMNS = (
    "kill_switch",
    "incident",
    "scope",
    "extension",
    "event",
    "at",
    "by",
    "approved_by",
    "previous_state",
    "new_state",
    "reason",
    "exception",
)


def list_events(switches: Iterable[KillSwitch]) -> Iterator[dict[str, Any]]:
    """Yield every activation, confirmation and lift: who, when, why, from what to what.

    `previous_state` of an activation is the trust before it.
    """
    for switch in switches:
        known = {
            "kill_switch": switch.pk,
            "incident": switch.incident.reference,
            "scope": switch.scope,
            "extension": switch.extension.extension_id if switch.extension else "",
        }
        yield known | _activation(switch)
        if confirmation := getattr(switch, "confirmation", None):
            yield known | _confirmation(confirmation)
        if lift := getattr(switch, "lift", None):
            was = "confirmed" if hasattr(switch, "confirmation") else "ordered"
            yield known | _lift(lift, was)


def write_csv(switches: Iterable[KillSwitch]) -> str:
    """Return the events as CSV (RFC 4180), each cell safe from being a formula."""
    events = list_events(switches)
    return write_table(COLUMNS, ([event[name] for name in COLUMNS] for event in events))


def write_json(switches: Iterable[KillSwitch]) -> str:
    """Return the events as a JSON array."""
    return json.dumps(list(list_events(switches)), indent=2, ensure_ascii=False)


def _activation(switch: KillSwitch) -> dict[str, Any]:
    return _event(
        "activated",
        switch.ordered_at,
        by=switch.ordered_by,
        states=(switch.previous_trust or "not recorded", "ordered"),
        reason=switch.reason,
    )


def _confirmation(row: Any) -> dict[str, Any]:
    return _event(
        "confirmed",
        row.effective_at,
        by=row.confirmed_by,
        states=("ordered", "confirmed"),
        reason=row.means,
    )


def _lift(row: Any, was: str) -> dict[str, Any]:
    return _event(
        "lifted",
        row.lifted_at,
        by=row.requested_by,
        approved_by=row.approved_by.get_username(),
        states=(was, "lifted"),
        reason=row.reason,
        exception=row.exception,
    )


def _event(
    name: str,
    at: dt.datetime,
    *,
    by: Any,
    states: tuple[str, str],
    reason: str,
    approved_by: str = "",
    exception: str = "",
) -> dict[str, Any]:
    return {
        "event": name,
        "at": at.astimezone(dt.UTC).isoformat(timespec="milliseconds"),
        "by": by.get_username(),
        "approved_by": approved_by,
        "previous_state": states[0],
        "new_state": states[1],
        "reason": reason,
        "exception": exception,
    }

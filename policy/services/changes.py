"""What every change of policy needs: a reason that is given, an audit entry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from evidence.accounts.access import Actor
from evidence.audit.history import extension_stream, incident_stream, record_entry
from evidence.queue.sending import queue_on_commit
from evidence.text import REASON_LENGTH, require_text, tidy_text
from policy.errors import PolicyRefused
from policy.models import Extension

WORK_POLICY = "policy.work_policy"
REVIEW_POLICY = "policy.review_policy"
GATHER_FINDINGS = "incidents.gather_findings"
"""Answers the playbook anew: any change here may change what the evidence means."""


def require_reason(reason: str, *, what: str = "a reason") -> str:
    """Return the text trimmed and safe to store; refuse an empty or endless one."""
    return require_text(reason, refusal=PolicyRefused, what=what)


def clean_text(text: str, *, length: int = REASON_LENGTH) -> str:
    """Return an optional text trimmed and safe to store."""
    return tidy_text(text)[:length]


def record_change(
    obj: Any,
    *,
    action: str,
    actor: Actor,
    now: dt.datetime,
    incident_id: int | None = None,
    extensions: tuple[Extension, ...] = (),
    told: Iterable[int] = (),
    reason: str = "",
    before: Any = None,
    after: Any = None,
) -> None:
    """Write the audit entry of a change to the case's and the extensions' streams.

    `told` are the IDs of other cases that it concerns.
    """
    streams = [extension_stream(extension.extension_id) for extension in extensions]
    streams += [incident_stream(pk) for pk in told]
    if incident_id is not None:
        streams.append(incident_stream(incident_id))
    for pk in {*told} | ({incident_id} if incident_id is not None else set()):
        queue_on_commit(GATHER_FINDINGS, pk)
    kwargs = {"streams": streams} if streams else {}
    record_entry(
        action=action,
        actor=actor,
        obj=obj,
        reason=reason,
        before=before,
        after=after,
        now=now,
        **kwargs,
    )

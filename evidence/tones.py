"""Which tone a state has, for every page of every app.

Green ("done") stands for what was verified, confirmed or delivered; amber ("warn",
"watch") for what is ordered, waiting or due soon; red ("late") for what failed, was
breached or refused; grey ("quiet") for what is unknown or asks for nothing. "calm" is
work under way, "waived" what somebody let pass and signed for.
"""

from __future__ import annotations

from typing import Any

QUIET = "quiet"
TONES = {
    # severities of cases
    "critical": "late",
    "high": "warn",
    "medium": "watch",
    "low": QUIET,
    # severities of alerts and findings
    "alert critical": "late",
    "alert error": "warn",
    "alert warning": "watch",
    "finding critical": "late",
    "finding error": "late",
    "finding warning": "watch",
    # cases, phases and what they ask
    "open": "calm",
    "running": "calm",
    "complete": "done",
    "complete late": "late",
    "met": "done",
    "missing": "watch",
    "gate missing": "late",
    "ready": "done",
    "waived": "waived",
    "breached": "late",
    "artifact": "calm",
    "advice": "calm",
    # checklist items, choices, action items
    "done": "done",
    "failed": "late",
    "chosen": "done",
    "action item open": "calm",
    "action item done": "done",
    # what a timeline's entry is about
    "line state": "calm",
    "line decision": "waived",
    "line evidence": "done",
    "line policy": "watch",
    # evidence, and the steps of its verification
    "valid": "done",
    "invalid": "late",
    "refused": "late",
    "damaged": "late",
    "unfinished": "warn",
    "pass": "done",
    "fail": "late",
    "remark late": "warn",
    "remark void": "late",
    # trust
    "quarantined": "late",
    "probation": "watch",
    "trusted": "done",
    # kill switches
    "ordered": "warn",
    "confirmed": "done",
    "kill switch active": "warn",
    # decisions of a policy, and what is dangerous
    "allow": "warn",
    "prompt": "watch",
    "deny": "done",
    "dangerous": "late",
    "disagrees": "late",
    "agrees": "done",
    # scans
    "forbidden": "late",
    "flagged": "warn",
    "safe": "done",
    "missed": "waived",
    # moves of a runtime's record
    "quarantine_escape": "late",
    "move refused": "warn",
    "move odd": "watch",
    # requests and rollbacks
    "pending": "watch",
    "proposed": "watch",
    "approved": "calm",
    "applied": "late",
    "verified": "done",
}


def tone_of(state: Any, kind: str = "") -> str:
    """Return the tone of a state; `kind` says of what, where a word means two things.

    A state that the table does not name is grey: it was not checked.
    """
    key = str(state)
    return TONES.get(f"{kind} {key}".strip()) or TONES.get(key, QUIET)

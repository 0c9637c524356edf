"""Which tone a state has, for every page of every app.

Green ("done") stands for what was verified, confirmed or delivered; amber ("warn",
"watch") for what is ordered, waiting or due soon; red ("late") for what failed, was
breached or refused; grey ("quiet") for what is unknown or asks for nothing. "calm" is
work under way, "waived" what somebody let pass and signed for.
"""

from __future__ import annotations

from typing import Any

QUIET = "quiet"
NAMES = frozenset({"done", "warn", "watch", "late", "calm", "waived", QUIET})
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
    "alert waiting": "watch",
    "finding found": "late",
    "finding clear": "calm",
    "finding unknown": "quiet",
    "finding critical": "late",
    "finding error": "late",
    "finding warning": "watch",
    # cases, phases and what they ask
    "open": "calm",
    "item open": QUIET,
    "running": "calm",
    "complete": "done",
    "complete late": "late",
    "half_elapsed": "watch",
    "one_fifth_left": "warn",
    "met": "done",
    "missing": "watch",
    "gate missing": "late",
    "ready": "done",
    "waived": "waived",
    "breached": "late",
    "ready on order": "warn",
    "artifact": "calm",
    "advice": "calm",
    "term": "calm",
    # checklist items, choices, action items
    "done": "done",
    "failed": "late",
    "chosen": "calm",
    "due soon": "warn",
    "overdue": "late",
    # postmortems
    "draft": "watch",
    "submitted": "calm",
    "returned": "warn",
    "signed": "done",
    "signature void": "late",
    "archive queued": "watch",
    "archive running": "watch",
    "archive done": "done",
    "archive failed": "late",
    "archive gave_up": "late",
    # a copy elsewhere that was read back and compared; one whose lock has run out
    "copied": "done",
    "lock ended": QUIET,
    # pruning; that rows went is no success that anything was checked for
    "prune queued": "watch",
    "prune running": "watch",
    "prune done": "calm",
    "prune failed": "late",
    "prune gave_up": "late",
    # messages
    "sending": "watch",
    "printed": "watch",
    "sent": "done",
    # how a person can be told
    "reached": "done",
    "doubtful": "watch",
    "unreachable": "late",
    # what a timeline's entry is about: a kind, and no light
    "line state": "calm",
    "line decision": "calm",
    # evidence, and the steps of its verification
    "refused": "late",
    "damaged": "late",
    "unfinished": "warn",
    "pass": "done",
    "fail": "late",
    "remark late": "warn",
    "remark void": "late",
    "remark damaged": "late",
    # stored bytes that the store no longer has as they were received
    "store damaged": "late",
    "store missing": "late",
    "store ended": "done",
    # parts of the installation; one that cannot be told is grey
    "part ok": "done",
    "part warning": "warn",
    "part failing": "late",
    # trust
    "quarantined": "late",
    "probation": "watch",
    "trusted": "done",
    # kill switches
    "ordered": "warn",
    "confirmed": "done",
    "kill all confirmed": "waived",
    # what a picture of a case marks: a fact of the record, and no light but for what
    # somebody has to look at
    "call executed": "calm",
    "call failed": "watch",
    "act harden": "watch",
    "act deny": "warn",
    "act terminate": "late",
    "mediation allow": "calm",
    "mediation deny": QUIET,
    "secret disclosed": "warn",
    "kill stopped": "calm",
    "due": "watch",
    # decisions of a policy, and what is dangerous
    "allow": "warn",
    "prompt": "watch",
    "deny": "done",
    "dangerous": "late",
    "permissive": "warn",
    "faulty": "warn",
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
    # a case that is kept as it is
    "on hold": "watch",
    # a case that is there for few
    "restricted": "watch",
    # requests and rollbacks
    "pending": "watch",
    "proposed": "watch",
    "approved": "calm",
    "applied": "late",
    "verified": "done",
}

SYMBOLS = {
    "done": "check_circle",
    "failed": "cancel",
    "not_applicable": "do_not_disturb_on",
    "met": "check_circle",
    "ordered": "hourglass_top",
    "waived": "verified_user",
}
NO_SYMBOL = "radio_button_unchecked"


def tone_of(state: Any, kind: str = "") -> str:
    """Return the tone of a state; `kind` says of what, where a word means two things.

    A state that the table does not name is grey: it was not checked.
    """
    key = str(state)
    return TONES.get(f"{kind} {key}".strip()) or TONES.get(key, QUIET)

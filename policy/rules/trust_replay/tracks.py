"""Where one extension stands, and what the rules say to its next move."""

from __future__ import annotations

from dataclasses import dataclass

from policy.rules.runtime_history import RuntimeRecord, RuntimeState
from policy.rules.trust import TrustState
from policy.rules.trust_replay.findings import (
    TrustFinding,
    TrustFindingCode,
    make_finding,
)


@dataclass
class Track:
    """Where one extension stands: by the rules, and by the runtime's word.

    `claimed` is the last trust state that the runtime named; `is_active` says
    that it was running since.
    """

    by_rules: TrustState
    claimed: TrustState | None
    is_active: bool = False
    is_killed: bool = False


def as_trust(state: RuntimeState | None) -> TrustState | None:
    """Return the trust state of that name; None for `active` and for none."""
    if state is None or state is RuntimeState.ACTIVE:
        return None
    return TrustState(state.value)


def check_claim(record: RuntimeRecord, track: Track) -> list[TrustFinding]:
    """Compare where a move claims to start with where the last one ended."""
    if record.from_state is RuntimeState.ACTIVE:
        agrees = track.is_active or track.claimed is None
    else:
        agrees = track.claimed in (None, as_trust(record.from_state))
    if agrees:
        return []
    ended = RuntimeState.ACTIVE if track.is_active else track.claimed
    return [
        make_finding(
            record,
            TrustFindingCode.FROM_STATE_MISMATCH,
            f"The move starts from {record.from_state}, and the one before ended in "
            f"{ended}: a move is missing from the record.",
        )
    ]


def judge_resumption(record: RuntimeRecord, track: Track) -> list[TrustFinding]:
    """Return a finding where an extension runs again out of quarantine."""
    is_quarantined = (
        track.by_rules is TrustState.QUARANTINED
        or record.from_state is RuntimeState.QUARANTINED
    )
    if not is_quarantined:
        return []
    return [
        make_finding(
            record,
            TrustFindingCode.QUARANTINE_ESCAPE,
            "The extension resumed execution out of quarantine without a valid "
            "promotion to probation.",
        )
    ]


def describe_refused_move(
    record: RuntimeRecord, sources: list[TrustState], target: TrustState
) -> TrustFinding:
    """Return the finding of a move that does not exist."""
    if TrustState.QUARANTINED in sources:
        return make_finding(
            record,
            TrustFindingCode.QUARANTINE_ESCAPE,
            f"The extension left quarantine for {target}; the only way out is a "
            "promotion to probation.",
        )
    return make_finding(
        record,
        TrustFindingCode.MOVE_DOES_NOT_EXIST,
        f"No move leads from {' or '.join(sorted(sources))} to {target}.",
    )


def is_laundered(record: RuntimeRecord, track: Track, target: TrustState) -> bool:
    """Return whether a move passes over where the rules have the extension.

    It starts elsewhere than in the quarantine that it would leave, or ends where it
    starts: such a line promotes nobody, acknowledged or not.
    """
    if target is TrustState.QUARANTINED or track.by_rules is target:
        return False
    from_state = as_trust(record.from_state)
    is_quarantined = track.by_rules is TrustState.QUARANTINED
    return from_state is target or (
        is_quarantined and from_state is not TrustState.QUARANTINED
    )


def describe_laundering(
    record: RuntimeRecord, track: Track, target: TrustState
) -> TrustFinding:
    """Return the finding of a move that starts from a state it only claims."""
    is_quarantined = track.by_rules is TrustState.QUARANTINED
    return make_finding(
        record,
        TrustFindingCode.QUARANTINE_ESCAPE
        if is_quarantined
        else TrustFindingCode.MOVE_DOES_NOT_EXIST,
        f"The extension is {track.by_rules} by the rules; a move from "
        f"{record.from_state} to {target} is no promotion out of that.",
    )


def follow(record: RuntimeRecord, track: Track, *, is_refused: bool) -> None:
    """Move a track on; a refused move changes what is claimed and nothing else."""
    target = as_trust(record.to_state)
    track.is_active = record.to_state is RuntimeState.ACTIVE
    if target is None:
        return
    track.claimed = target
    # Quarantine holds whatever the record lacks: it is the safe side.
    if not is_refused or target is TrustState.QUARANTINED:
        track.by_rules = target


def quarantine(track: Track) -> None:
    """Put an extension into quarantine, whatever the record says of it."""
    track.by_rules = TrustState.QUARANTINED
    # Whether the runtime also writes a transition differs: either is right.
    track.claimed = None
    track.is_active = False

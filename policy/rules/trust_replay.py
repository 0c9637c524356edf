"""Replaying the runtime's record of trust through our own rules.

Guarantees: every move that the rules would have refused is listed, with line,
time and reason. Two states are followed for each extension: the one the runtime
claims, and the one the rules would have left it in; a refused move changes only
the first, so that what is built on it is found too. Nothing here becomes our own
state.

`active` says that an extension runs, which is no trust state: entering it is no
move of trust, except out of quarantine, where it is the escape that INC-5 is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from evidence.lookalikes import lookalike_key, show_hidden
from policy.rules.runtime_history import RuntimeEvent, RuntimeRecord, RuntimeState
from policy.rules.trust import TrustState, can_move, needs_reviewer


class TrustFindingCode(StrEnum):
    """What a record shows; all but the last three are moves the rules refuse."""

    QUARANTINE_ESCAPE = "quarantine_escape"
    MOVE_DOES_NOT_EXIST = "move_does_not_exist"
    PROMOTION_UNDER_KILL_SWITCH = "promotion_under_kill_switch"
    PROMOTION_WITHOUT_AUDIT_METADATA = "promotion_without_audit_metadata"
    MOVE_WITHOUT_AUDIT_METADATA = "move_without_audit_metadata"
    ACTIVATION_WITHOUT_AUDIT_METADATA = "activation_without_audit_metadata"
    LIFT_WITHOUT_AUDIT_METADATA = "lift_without_audit_metadata"
    LIFT_WITHOUT_ACTIVATION = "lift_without_activation"
    LIFT_TOO_EARLY = "lift_too_early"
    FROM_STATE_MISMATCH = "from_state_mismatch"
    TIME_GOES_BACK = "time_goes_back"
    LOOKALIKE_NAME = "lookalike_name"


@dataclass(frozen=True)
class TrustFinding:
    """One thing that the rules do not agree with. `extension` None: all."""

    code: TrustFindingCode
    line: int
    at: datetime
    extension: str | None
    from_state: RuntimeState | None
    to_state: RuntimeState | None
    operator: str
    message: str

    @property
    def is_refused(self) -> bool:
        """Return whether the rules would have refused what the line records."""
        return self.code not in (
            TrustFindingCode.FROM_STATE_MISMATCH,
            TrustFindingCode.TIME_GOES_BACK,
            TrustFindingCode.LOOKALIKE_NAME,
        )


@dataclass
class _Track:
    """Where one extension stands: by the rules, and by the runtime's word.

    `claimed` is the last trust state that the runtime named; `is_active` says
    that it was running since.
    """

    by_rules: TrustState
    claimed: TrustState | None
    is_active: bool = False
    is_killed: bool = False


class ExtensionTrustTracker:
    """Follows one runtime's record, line by line, in the order of the file.

    `lift_allowed_from` has, for each extension with a case, when that case
    reached REMEDIATE; None while it has not. An extension without an entry has
    no case that a lift could come too early for.
    """

    def __init__(
        self, lift_allowed_from: Mapping[str, datetime | None] | None = None
    ) -> None:
        self._lift_allowed_from = dict(lift_allowed_from or {})
        self._tracks: dict[str, _Track] = {}
        self._all_killed = False
        self._was_all_killed = False
        self._named: dict[str, tuple[str, int]] = {}
        self._last_at: datetime | None = None

    def state_by_rules(self, extension: str) -> TrustState:
        """Return the state that the rules would have left an extension in."""
        track = self._tracks.get(extension)
        return track.by_rules if track else TrustState.UNKNOWN

    def observe(self, record: RuntimeRecord) -> list[TrustFinding]:
        """Follow one record; return what the rules hold against it."""
        findings = self._check_time(record) + self._check_name(record)
        if record.event is RuntimeEvent.TRANSITION:
            return findings + self._observe_transition(record)
        if record.event is RuntimeEvent.KILL_SWITCH_ACTIVATED:
            return findings + self._observe_activation(record)
        return findings + self._observe_lift(record)

    def _check_time(self, record: RuntimeRecord) -> list[TrustFinding]:
        """Return a finding where a line is older than the one before it."""
        last, self._last_at = self._last_at, record.at
        if last is None or record.at >= last:
            return []
        return [
            _finding(
                record,
                TrustFindingCode.TIME_GOES_BACK,
                "This line is older than the one before it; the record is out of "
                "order, or was changed.",
            )
        ]

    def _check_name(self, record: RuntimeRecord) -> list[TrustFinding]:
        """Note a name that looks like one of an earlier line and is another.

        They are followed apart: whether they are one extension, nobody can tell here.
        """
        name = record.extension
        if name is None:
            return []
        first, line = self._named.setdefault(lookalike_key(name), (name, record.line))
        if first == name or name in self._tracks:
            return []
        return [
            _finding(
                record,
                TrustFindingCode.LOOKALIKE_NAME,
                f"“{show_hidden(name)}” is not “{show_hidden(first)}” of line {line}, "
                "and looks like it: they differ in case, spaces or look-alike letters "
                "only. They are followed as two extensions.",
            )
        ]

    # --- transitions

    def _observe_transition(self, record: RuntimeRecord) -> list[TrustFinding]:
        """Judge a move, and follow it."""
        track = self._track_of(record)
        findings = _check_claim(record, track)
        refusals = self._judge_move(record, track)
        _follow(record, track, is_refused=bool(refusals))
        return findings + refusals

    def _track_of(self, record: RuntimeRecord) -> _Track:
        """Return the extension's track; a new one begins where the record does.

        A kill switch for all quarantined what there was, named in the record or not:
        one that is seen first after its lift, and claims a state that it would have
        had to earn since, is in quarantine by the rules.
        """
        extension = record.extension or ""
        if extension not in self._tracks:
            claimed = _as_trust(record.from_state)
            by_rules = claimed or TrustState.UNKNOWN
            is_newcomer = record.from_state is RuntimeState.UNKNOWN
            if self._all_killed or (self._was_all_killed and not is_newcomer):
                by_rules = TrustState.QUARANTINED
            self._tracks[extension] = _Track(by_rules, claimed)
        return self._tracks[extension]

    def _judge_move(self, record: RuntimeRecord, track: _Track) -> list[TrustFinding]:
        """Judge a move from where the rules have it, and from where it claims to be."""
        if record.to_state is RuntimeState.ACTIVE:
            return _judge_resumption(record, track)
        target = _as_trust(record.to_state)
        sources = {track.by_rules, _as_trust(record.from_state) or track.by_rules}
        if target is None or sources == {target}:
            return []
        blocked = [s for s in sources if s is not target and not can_move(s, target)]
        if blocked:
            return [_refused_move(record, blocked, target)]
        if _is_laundered(record, track, target):
            return [_laundered(record, track, target)]
        return self._judge_metadata(record, track, target)

    def _judge_metadata(
        self, record: RuntimeRecord, track: _Track, target: TrustState
    ) -> list[TrustFinding]:
        """Return a finding where a move lacks what the audit needs of it."""
        claimed = _as_trust(record.from_state) or track.by_rules
        is_promotion = target is not TrustState.QUARANTINED and (
            needs_reviewer(track.by_rules, target) or needs_reviewer(claimed, target)
        )
        findings = []
        missing = _missing_metadata(record, acknowledgement=is_promotion)
        if missing:
            code = (
                TrustFindingCode.PROMOTION_WITHOUT_AUDIT_METADATA
                if is_promotion
                else TrustFindingCode.MOVE_WITHOUT_AUDIT_METADATA
            )
            findings.append(
                _finding(record, code, f"The move lacks its {' and '.join(missing)}.")
            )
        if is_promotion and (track.is_killed or self._all_killed):
            findings.append(
                _finding(
                    record,
                    TrustFindingCode.PROMOTION_UNDER_KILL_SWITCH,
                    "The extension was promoted while a kill switch was active.",
                )
            )
        return findings

    # --- kill switches

    def _observe_activation(self, record: RuntimeRecord) -> list[TrustFinding]:
        """Quarantine what a kill switch stops: one extension, or all."""
        if record.extension is None:
            self._all_killed = self._was_all_killed = True
            for track in self._tracks.values():
                _quarantine(track)
        else:
            track = self._track_of(record)
            track.is_killed = True
            _quarantine(track)
        return _metadata_findings(
            record, TrustFindingCode.ACTIVATION_WITHOUT_AUDIT_METADATA, "activation"
        )

    def _observe_lift(self, record: RuntimeRecord) -> list[TrustFinding]:
        """Judge a lift by its activation, its metadata and its time."""
        findings = self._check_was_active(record)
        findings += _metadata_findings(
            record,
            TrustFindingCode.LIFT_WITHOUT_AUDIT_METADATA,
            "lift",
            acknowledgement=True,
        )
        findings += self._check_early(record)
        if record.extension is None:
            # Without an activation in the record, there was one before it began.
            self._all_killed, self._was_all_killed = False, True
            return findings
        if record.extension not in self._tracks:
            self._tracks[record.extension] = _Track(TrustState.QUARANTINED, None)
        track = self._track_of(record)
        track.is_killed = False
        if record.to_state is not None:
            refusals = self._judge_move(record, track)
            _follow(record, track, is_refused=bool(refusals))
            findings += refusals
        return findings

    def _check_was_active(self, record: RuntimeRecord) -> list[TrustFinding]:
        """Return a finding where nothing was active that could be lifted."""
        if record.extension is None:
            was_active = self._all_killed
        else:
            track = self._tracks.get(record.extension)
            was_active = track is not None and track.is_killed
        if was_active:
            return []
        return [
            _finding(
                record,
                TrustFindingCode.LIFT_WITHOUT_ACTIVATION,
                "The record has no activation that this lift could belong to.",
            )
        ]

    def _check_early(self, record: RuntimeRecord) -> list[TrustFinding]:
        """Return a finding where a lift came before a case reached REMEDIATE."""
        allowed = self._lift_allowed_from
        if record.extension is not None:
            concerned = [record.extension] if record.extension in allowed else []
        else:
            concerned = sorted(allowed)
        early = [name for name in concerned if _is_before(record.at, allowed[name])]
        if not early:
            return []
        return [
            _finding(
                record,
                TrustFindingCode.LIFT_TOO_EARLY,
                "The kill switch was lifted before the case reached REMEDIATE: "
                f"{', '.join(early)}.",
            )
        ]


def replay_runtime_history(
    records: Iterable[RuntimeRecord],
    *,
    lift_allowed_from: Mapping[str, datetime | None] | None = None,
) -> list[TrustFinding]:
    """Replay a record through the rules; return what they hold against it, by line.

    `lift_allowed_from` is that of `ExtensionTrustTracker`.
    """
    tracker = ExtensionTrustTracker(lift_allowed_from)
    return [finding for record in records for finding in tracker.observe(record)]


def _check_claim(record: RuntimeRecord, track: _Track) -> list[TrustFinding]:
    """Compare where a move claims to start with where the last one ended."""
    if record.from_state is RuntimeState.ACTIVE:
        agrees = track.is_active or track.claimed is None
    else:
        agrees = track.claimed in (None, _as_trust(record.from_state))
    if agrees:
        return []
    ended = RuntimeState.ACTIVE if track.is_active else track.claimed
    return [
        _finding(
            record,
            TrustFindingCode.FROM_STATE_MISMATCH,
            f"The move starts from {record.from_state}, and the one before ended in "
            f"{ended}: a move is missing from the record.",
        )
    ]


def _judge_resumption(record: RuntimeRecord, track: _Track) -> list[TrustFinding]:
    """Return a finding where an extension runs again out of quarantine."""
    is_quarantined = (
        track.by_rules is TrustState.QUARANTINED
        or record.from_state is RuntimeState.QUARANTINED
    )
    if not is_quarantined:
        return []
    return [
        _finding(
            record,
            TrustFindingCode.QUARANTINE_ESCAPE,
            "The extension resumed execution out of quarantine without a valid "
            "promotion to probation.",
        )
    ]


def _refused_move(
    record: RuntimeRecord, sources: list[TrustState], target: TrustState
) -> TrustFinding:
    """Return the finding of a move that does not exist."""
    if TrustState.QUARANTINED in sources:
        return _finding(
            record,
            TrustFindingCode.QUARANTINE_ESCAPE,
            f"The extension left quarantine for {target}; the only way out is a "
            "promotion to probation.",
        )
    return _finding(
        record,
        TrustFindingCode.MOVE_DOES_NOT_EXIST,
        f"No move leads from {' or '.join(sorted(sources))} to {target}.",
    )


def _is_laundered(record: RuntimeRecord, track: _Track, target: TrustState) -> bool:
    """Return whether a move passes over where the rules have the extension.

    It starts elsewhere than in the quarantine that it would leave, or ends where it
    starts: such a line promotes nobody, acknowledged or not.
    """
    if target is TrustState.QUARANTINED or track.by_rules is target:
        return False
    from_state = _as_trust(record.from_state)
    is_quarantined = track.by_rules is TrustState.QUARANTINED
    return from_state is target or (
        is_quarantined and from_state is not TrustState.QUARANTINED
    )


def _laundered(
    record: RuntimeRecord, track: _Track, target: TrustState
) -> TrustFinding:
    """Return the finding of a move that starts from a state it only claims."""
    is_quarantined = track.by_rules is TrustState.QUARANTINED
    return _finding(
        record,
        TrustFindingCode.QUARANTINE_ESCAPE
        if is_quarantined
        else TrustFindingCode.MOVE_DOES_NOT_EXIST,
        f"The extension is {track.by_rules} by the rules; a move from "
        f"{record.from_state} to {target} is no promotion out of that.",
    )


def _follow(record: RuntimeRecord, track: _Track, *, is_refused: bool) -> None:
    """Move a track on; a refused move changes what is claimed and nothing else."""
    target = _as_trust(record.to_state)
    track.is_active = record.to_state is RuntimeState.ACTIVE
    if target is None:
        return
    track.claimed = target
    # Quarantine holds whatever the record lacks: it is the safe side.
    if not is_refused or target is TrustState.QUARANTINED:
        track.by_rules = target


def _quarantine(track: _Track) -> None:
    """Put an extension into quarantine, whatever the record says of it."""
    track.by_rules = TrustState.QUARANTINED
    # Whether the runtime also writes a transition differs: either is right.
    track.claimed = None
    track.is_active = False


def _metadata_findings(
    record: RuntimeRecord,
    code: TrustFindingCode,
    noun: str,
    *,
    acknowledgement: bool = False,
) -> list[TrustFinding]:
    """Return a finding that names what the audit needs and a record lacks."""
    missing = _missing_metadata(record, acknowledgement=acknowledgement)
    if not missing:
        return []
    message = f"The {noun} lacks its {' and '.join(missing)}."
    return [_finding(record, code, message)]


def _missing_metadata(record: RuntimeRecord, *, acknowledgement: bool) -> list[str]:
    """Return the names of what a record lacks."""
    present = {"reason": bool(record.reason), "operator": bool(record.operator)}
    if acknowledgement:
        present["acknowledgement"] = record.acknowledged
    return [name for name, is_present in present.items() if not is_present]


def _is_before(at: datetime, allowed_from: datetime | None) -> bool:
    """Return whether a moment comes before one that may never come (None)."""
    return allowed_from is None or at < allowed_from


def _as_trust(state: RuntimeState | None) -> TrustState | None:
    """Return the trust state of that name; None for `active` and for none."""
    if state is None or state is RuntimeState.ACTIVE:
        return None
    return TrustState(state.value)


def _finding(
    record: RuntimeRecord, code: TrustFindingCode, message: str
) -> TrustFinding:
    """Return a finding about a record."""
    return TrustFinding(
        code=code,
        line=record.line,
        at=record.at,
        extension=record.extension,
        from_state=record.from_state,
        to_state=record.to_state,
        operator=record.operator,
        message=message,
    )

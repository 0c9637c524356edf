"""Following one runtime's record, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from evidence.lookalikes import lookalike_key, show_hidden
from policy.rules.runtime_history import RuntimeEvent, RuntimeRecord, RuntimeState
from policy.rules.trust import TrustState, can_move, needs_reviewer
from policy.rules.trust_replay.findings import (
    TrustFinding,
    TrustFindingCode,
    check_metadata,
    list_missing_metadata,
    make_finding,
)
from policy.rules.trust_replay.tracks import (
    Track,
    as_trust,
    check_claim,
    describe_laundering,
    describe_refused_move,
    follow,
    is_laundered,
    judge_resumption,
    quarantine,
)


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
        self._tracks: dict[str, Track] = {}
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
            make_finding(
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
            make_finding(
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
        findings = check_claim(record, track)
        refusals = self._judge_move(record, track)
        follow(record, track, is_refused=bool(refusals))
        return findings + refusals

    def _track_of(self, record: RuntimeRecord) -> Track:
        """Return the extension's track; a new one begins where the record does.

        A kill switch for all quarantined what there was, named in the record or not:
        one that is seen first after its lift, and claims a state that it would have
        had to earn since, is in quarantine by the rules.
        """
        extension = record.extension or ""
        if extension not in self._tracks:
            claimed = as_trust(record.from_state)
            by_rules = claimed or TrustState.UNKNOWN
            is_newcomer = record.from_state is RuntimeState.UNKNOWN
            if self._all_killed or (self._was_all_killed and not is_newcomer):
                by_rules = TrustState.QUARANTINED
            self._tracks[extension] = Track(by_rules, claimed)
        return self._tracks[extension]

    def _judge_move(self, record: RuntimeRecord, track: Track) -> list[TrustFinding]:
        """Judge a move from where the rules have it, and from where it claims to be."""
        if record.to_state is RuntimeState.ACTIVE:
            return judge_resumption(record, track)
        target = as_trust(record.to_state)
        sources = {track.by_rules, as_trust(record.from_state) or track.by_rules}
        if target is None or sources == {target}:
            return []
        blocked = [s for s in sources if s is not target and not can_move(s, target)]
        if blocked:
            return [describe_refused_move(record, blocked, target)]
        if is_laundered(record, track, target):
            return [describe_laundering(record, track, target)]
        return self._judge_metadata(record, track, target)

    def _judge_metadata(
        self, record: RuntimeRecord, track: Track, target: TrustState
    ) -> list[TrustFinding]:
        """Return a finding where a move lacks what the audit needs of it."""
        claimed = as_trust(record.from_state) or track.by_rules
        is_promotion = target is not TrustState.QUARANTINED and (
            needs_reviewer(track.by_rules, target) or needs_reviewer(claimed, target)
        )
        findings = []
        missing = list_missing_metadata(record, acknowledgement=is_promotion)
        if missing:
            code = (
                TrustFindingCode.PROMOTION_WITHOUT_AUDIT_METADATA
                if is_promotion
                else TrustFindingCode.MOVE_WITHOUT_AUDIT_METADATA
            )
            findings.append(
                make_finding(
                    record, code, f"The move lacks its {' and '.join(missing)}."
                )
            )
        if is_promotion and (track.is_killed or self._all_killed):
            findings.append(
                make_finding(
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
                quarantine(track)
        else:
            track = self._track_of(record)
            track.is_killed = True
            quarantine(track)
        return check_metadata(
            record, TrustFindingCode.ACTIVATION_WITHOUT_AUDIT_METADATA, "activation"
        )

    def _observe_lift(self, record: RuntimeRecord) -> list[TrustFinding]:
        """Judge a lift by its activation, its metadata and its time."""
        findings = self._check_was_active(record)
        findings += check_metadata(
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
            self._tracks[record.extension] = Track(TrustState.QUARANTINED, None)
        track = self._track_of(record)
        track.is_killed = False
        if record.to_state is not None:
            refusals = self._judge_move(record, track)
            follow(record, track, is_refused=bool(refusals))
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
            make_finding(
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
            make_finding(
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


def _is_before(at: datetime, allowed_from: datetime | None) -> bool:
    """Return whether a moment comes before one that may never come (None)."""
    return allowed_from is None or at < allowed_from

"""Files sent as evidence that are more than that: settings, explanation, record.

Settings and the explanation that came with them make one snapshot, both or neither.
Both are redacted before a byte is kept, however they are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from evidence.errors import CasefileError
from evidence.models import EvidenceKind
from evidence.services.content_kinds import Content
from evidence.services.deliveries import Sending, SentFile, Taken, refuse_file
from policy.models import PolicySnapshot
from policy.rules.errors import DocumentError
from policy.rules.runtime_history import MAX_HISTORY_BYTES, is_runtime_record
from policy.services.runtime_histories import import_runtime_history
from policy.services.snapshots import SnapshotSource, keep_explanation, take_snapshot

MAX_TAKEN_BYTES: Final = MAX_HISTORY_BYTES
Named = tuple[int, SentFile]


def take_policy_files(
    sending: Sending, contents: Mapping[int, Content]
) -> dict[int, Taken]:
    """Take settings, explanations and the runtime's record out of what was sent."""
    settings = _of_kind(sending, contents, EvidenceKind.POLICY_SNAPSHOT)
    explanations = _of_kind(sending, contents, EvidenceKind.POLICY_EXPLANATION)
    taken = _take_policy(sending, settings, explanations)
    for place, file in _records(sending, contents):
        taken[place] = _import(sending, file)
    return taken


def _of_kind(
    sending: Sending, contents: Mapping[int, Content], kind: EvidenceKind
) -> list[Named]:
    """Return the files of a kind by content that were not said to be another."""
    return [
        (place, sending.files[place])
        for place, content in contents.items()
        if content.kind == kind and sending.files[place].kind in (None, kind)
    ]


def _records(sending: Sending, contents: Mapping[int, Content]) -> list[Named]:
    return [
        (place, sending.files[place])
        for place, content in contents.items()
        if sending.files[place].kind in (None, EvidenceKind.LOG)
        and is_runtime_record(content.top)
    ]


def _take_policy(
    sending: Sending, settings: list[Named], explanations: list[Named]
) -> dict[int, Taken]:
    if len(settings) == 1 and len(explanations) == 1:
        return _take_pair(sending, settings[0], explanations[0])
    taken = {place: _snapshot(sending, file) for place, file in settings}
    for place, file in explanations:
        if settings:
            taken[place] = Taken(
                f"{file.shown_name} was refused: it came with {len(settings)} settings "
                "files, and one explanation is of one. Send each pair by itself."
            )
        else:
            taken[place] = _explanation(sending, file)
    return taken


def _take_pair(
    sending: Sending, settings: Named, explanation: Named
) -> dict[int, Taken]:
    """Take both as one snapshot; where one cannot be taken, neither is kept."""
    (place, file), (other_place, other) = settings, explanation
    source = _source(file, other)
    refused = _refusals(source, settings, explanation)
    if refused:
        return refused
    try:
        snapshot = take_snapshot(source=source, **_door(sending))
    except CasefileError as error:
        return {
            place: refuse_file(file, error),
            other_place: _left_out(other, because=file),
        }
    return {
        place: Taken(
            f"{file.shown_name} is taken as the policy snapshot, with "
            f"{other.shown_name}. {_said_of(snapshot)}",
            snapshot.settings_item,
            snapshot,
        ),
        other_place: Taken(
            f"{other.shown_name} is taken as the policy explanation of that snapshot.",
            snapshot.explanation_item,
            snapshot,
        ),
    }


def _refusals(
    source: SnapshotSource, settings: Named, explanation: Named
) -> dict[int, Taken]:
    """Return which of the two cannot be read, and that the other was not taken.

    Both are read here, so that the faults of both are told at once; the source keeps
    what was read for the snapshot.
    """
    refused: dict[int, Taken] = {}
    for (place, file), (other_place, other), document in (
        (settings, explanation, "settings_document"),
        (explanation, settings, "explanation_document"),
    ):
        try:
            getattr(source, document)
        except DocumentError as error:
            refused[place] = refuse_file(file, error)
            refused.setdefault(other_place, _left_out(other, because=file))
    return refused


def _left_out(file: SentFile, *, because: SentFile) -> Taken:
    return Taken(
        f"{file.shown_name} was not taken: {because.shown_name}, which it came with, "
        "was refused, and a snapshot is of both. Send both again, together."
    )


def _snapshot(sending: Sending, file: SentFile) -> Taken:
    try:
        snapshot = take_snapshot(source=_source(file, None), **_door(sending))
    except CasefileError as error:
        return refuse_file(file, error)
    words = (
        f"{file.shown_name} is taken as the policy snapshot, without an explanation. "
        f"{_said_of(snapshot)}"
    )
    return Taken(words, snapshot.settings_item, snapshot)


def _explanation(sending: Sending, file: SentFile) -> Taken:
    try:
        item = keep_explanation(data=file.read(), name=file.name, **_door(sending))
    except CasefileError as error:
        return refuse_file(file, error)
    return Taken(
        f"{file.shown_name} is kept as a policy explanation. No settings came with it, "
        "so no snapshot was taken: send both together for one.",
        item,
    )


def _import(sending: Sending, file: SentFile) -> Taken:
    door = _door(sending)
    try:
        row = import_runtime_history(data=file.read(), original_name=file.name, **door)
    except CasefileError as error:
        return refuse_file(file, error)
    return Taken(
        f"{file.shown_name} is taken as the runtime's record: {row.record_count} "
        f"records replayed, {row.refused_count} of them refused by our rules.",
        row.item,
        row,
    )


def _source(file: SentFile, explanation: SentFile | None) -> SnapshotSource:
    if explanation is None:
        return SnapshotSource(file.read(), settings_name=file.name)
    return SnapshotSource(
        file.read(),
        explanation.read(),
        settings_name=file.name,
        explanation_name=explanation.name,
    )


def _door(sending: Sending) -> dict[str, Any]:
    return {
        "incident_id": sending.incident_id,
        "channel": sending.channel,
        "actor": sending.actor,
        "ip_address": sending.ip_address,
        "now": sending.now,
    }


def _said_of(snapshot: PolicySnapshot) -> str:
    count = len(snapshot.redactions)
    if not count:
        return "No secret was recognised in it."
    noun = "secret was" if count == 1 else "secrets were"
    return f"{count} {noun} taken out of it first."

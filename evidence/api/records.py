"""Which records of the evidence app are read as they are stored."""

from __future__ import annotations

from django.http import QueryDict

from evidence.api.base.records import RecordKind
from evidence.api.reports import STEP_FIELDS
from evidence.audit.shown_faults import shown_faults, shown_reached
from evidence.models import (
    ApiToken,
    HistoryCheck,
    KindChange,
    LogCheckpoint,
    LogCopy,
    LogKey,
    MarkChange,
    NotedHead,
    RecordCheck,
    RecordedRead,
    RecordedRow,
    ReplayStep,
    StoreCheck,
    StoreFault,
    StoreMark,
    TombstoneKind,
    UnclaimedBytes,
    VerificationError,
    VerificationRequest,
)
from evidence.services.pruning import require_unpruned

READ_HISTORY = "evidence.view_auditentry"
WORK = (
    "state",
    "requested_at",
    "requested_by",
    "started_at",
    "finished_at",
    "attempts",
    "failure",
)
"""What all work that is queued has."""
CHECK = ("started_at", "finished_at", "requested_by", "fault_count", "faults")


def require_replay(asked: QueryDict) -> None:
    """Raise EvidencePruned for the steps of one report whose replay was pruned."""
    report = asked.get("report", "")
    if report:
        require_unpruned(TombstoneKind.REPLAY, int(report))


EVIDENCE_KINDS = (
    RecordKind(
        path="kind-changes",
        model=KindChange,
        about="Items that were taken for another kind, by whom and why.",
        fields=("item", "from_kind", "to_kind", "reason", "changed_at", "changed_by"),
        incident_lookup="item__incident",
    ),
    RecordKind(
        path="mark-changes",
        model=MarkChange,
        about="Marks of handling that were changed, by whom and why.",
        fields=(
            "incident",
            "item",
            "from_tlp",
            "to_tlp",
            "reason",
            "changed_at",
            "changed_by",
            "approved_by",
        ),
        incident_lookup="incident",
    ),
    RecordKind(
        path="verification-requests",
        model=VerificationRequest,
        about="Verifications as they were asked for, and how far each has come.",
        fields=("item", *WORK),
        incident_lookup="item__incident",
    ),
    RecordKind(
        path="verification-errors",
        model=VerificationError,
        about="The errors of all verification reports.",
        fields=("report", "position", "entry_index", "sequence", "code", "message"),
        incident_lookup="report__item__incident",
        also_by=("code",),
    ),
    RecordKind(
        path="replay-steps",
        model=ReplayStep,
        about="The steps of all forensic replays; of pruned ones, `tombstones/` tells.",
        require=require_replay,
        fields=("report", *STEP_FIELDS),
        incident_lookup="report__item__incident",
        also_by=("extension_id", "call_id"),
    ),
    RecordKind(
        path="history-checks",
        model=HistoryCheck,
        also_ordered_by=("is_whole", "fault_count", "requested_by"),
        about="Recomputations of every stream of the history, and what they found.",
        fields=(
            *(*CHECK, "is_whole", "continues", "reached"),
            *("stream_count", "entry_count"),
        ),
        told={"faults": shown_faults, "reached": shown_reached},
    ),
    RecordKind(
        path="noted-heads",
        model=NotedHead,
        about="The newest entry of each stream as a history check found it.",
        fields=("check_run", "stream", "sequence", "entry_hash"),
        also_by=("stream",),
    ),
    RecordKind(
        path="log-keys",
        model=LogKey,
        about="The public keys that checkpoints of the history log are verified by.",
        fields=("name", "key_id_hex", "verifier", "since", "overlap_until"),
        permission=READ_HISTORY,
    ),
    RecordKind(
        path="log-checkpoints",
        model=LogCheckpoint,
        also_ordered_by=("tree_size",),
        about="The history log's checkpoints, as signed notes.",
        fields=("tree_size", "root_hex", "made_at", "note"),
        permission=READ_HISTORY,
    ),
    RecordKind(
        path="log-copies",
        model=LogCopy,
        also_ordered_by=("checkpoint", "held_at", "attempts", "last_problem"),
        about="Checkpoints given to places outside, and which of them are held there.",
        # Not `place`: an address may hold what is secret.
        fields=(
            "kind",
            "checkpoint",
            "attempts",
            "next_try_at",
            "last_problem",
            "held_at",
            "answer",
        ),
        permission=READ_HISTORY,
        also_by=("kind",),
    ),
    RecordKind(
        path="reads",
        model=RecordedRead,
        about="Who opened, downloaded, listed or searched what, how often and when.",
        fields=(
            "incident",
            "reader",
            "door",
            "token",
            "kind",
            "subject",
            "object_id",
            "words",
            "count",
            "first_at",
            "last_at",
            "entry",
        ),
        incident_lookup="incident",
        permission=READ_HISTORY,
        also_by=("subject", "object_id"),
    ),
    RecordKind(
        path="recorded-rows",
        model=RecordedRow,
        about="What the database's rows were when they were written, as digests.",
        fields=(
            "table_name",
            "row_key",
            "operation",
            "recorded_at",
            "role",
            "program",
            "columns",
        ),
        also_by=("table_name", "row_key"),
    ),
    RecordKind(
        path="record-checks",
        model=RecordCheck,
        also_ordered_by=("table_count", "row_count", "fault_count", "requested_by"),
        about="Comparisons of all rows with what was recorded of them.",
        fields=(*CHECK, "table_count", "row_count"),
        told={"faults": shown_faults},
    ),
    RecordKind(
        path="store-marks",
        model=StoreMark,
        about="Which store of evidence this database belongs to, and since when.",
        fields=("store_id", "noted_at"),
    ),
    RecordKind(
        path="store-checks",
        model=StoreCheck,
        about="When the stored bytes of a digest were last compared with it.",
        fields=("sha256_hex", "checked_at"),
        also_by=("sha256_hex",),
    ),
    RecordKind(
        path="store-faults",
        model=StoreFault,
        also_ordered_by=("sha256_hex",),
        has=("ended_at",),
        about="Stored bytes that are missing or changed, and how each fault ended.",
        fields=(
            "incident",
            "sha256_hex",
            "kind",
            "found_at",
            "detail",
            "ended_at",
            "ending",
            "ending_detail",
        ),
        incident_lookup="incident",
        also_by=("sha256_hex",),
    ),
    RecordKind(
        path="unclaimed-bytes",
        model=UnclaimedBytes,
        about="Stored bytes that no item names, and what was chosen for them.",
        fields=(
            "sha256_hex",
            "size_bytes",
            "stored_at",
            "found_at",
            "choice",
            "chosen_at",
            "chosen_by",
        ),
        also_by=("sha256_hex",),
    ),
    RecordKind(
        path="api-tokens",
        model=ApiToken,
        also_ordered_by=(
            "name",
            "user",
            "last_used_at",
            "last_used_from",
            "created_by",
        ),
        about="Tokens of the API: whose, with which scopes; never what they are.",
        fields=(
            "user",
            "name",
            "scopes",
            "created",
            "expiry",
            "created_by",
            "last_used_at",
            "revoked_at",
            "revoked_by",
        ),
    ),
)

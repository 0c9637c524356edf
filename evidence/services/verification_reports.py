"""What a verification found, written as its report, errors and steps."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from evidence.errors import (
    EvidenceError,
)
from evidence.format import (
    Array,
    DocumentRefused,
    replay_steps,
)
from evidence.models import (
    Outcome,
    ReplayStep,
    VerificationError,
    VerificationReport,
    VerificationRequest,
)
from evidence.storable_values import (
    safe_bigint,
    safe_float,
    safe_text,
    safe_texts,
)

ENGINE_VERSION = "evidence.format 1.0"
MESSAGE_LENGTH = 1000
PATH_LENGTH = 500
STEP_TEXTS = (
    *("extension_id", "call_id", "capability", "method", "policy_decision"),
    *("policy_reason", "selected_action", "outcome"),
)
STEP_COLUMNS = (
    *("report_id", "index", "trusted", "sequence", "ts_ms", "risk_score", "triggers"),
    *STEP_TEXTS,
)
ERROR_COLUMNS = (
    *("report_id", "position", "entry_index", "sequence", "code", "message"),
)


@dataclass(frozen=True)
class Finding:
    """What verifying found, not yet stored. `entries` are the ledger's."""

    outcome: Outcome
    document_kind: str = ""
    steps: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    overview: dict[str, Any] = field(default_factory=dict)
    refusal: DocumentRefused | EvidenceError | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    entries: Array = field(default_factory=list)
    trusted_prefix: int | None = None
    break_index: int | None = None
    diagnosis: str = ""


def create_report(
    request: VerificationRequest,
    finding: Finding,
    started_at: dt.datetime,
    now: dt.datetime,
) -> VerificationReport:
    """Store the report of a request; its errors and its replay are copied apart."""
    refusal = finding.refusal
    return VerificationReport.objects.create(
        request=request,
        item=request.item,
        outcome=finding.outcome,
        document_kind=finding.document_kind,
        started_at=started_at,
        finished_at=now,
        duration_ms=max(0, (now - started_at) // dt.timedelta(milliseconds=1)),
        engine_version=ENGINE_VERSION,
        steps=finding.steps,
        details=finding.details,
        overview=finding.overview,
        refusal_code=refusal.code if refusal else "",
        refusal_path=safe_text(getattr(refusal, "path", None), length=PATH_LENGTH)
        or "",
        refusal_message=safe_text(refusal.message, length=MESSAGE_LENGTH) or ""
        if refusal
        else "",
        error_count=len(finding.errors),
        step_count=len(finding.entries),
        trusted_prefix=finding.trusted_prefix,
        break_index=finding.break_index,
        diagnosis=finding.diagnosis,
    )


def copy_errors(report: VerificationReport, errors: list[dict[str, Any]]) -> None:
    """Store the errors, in their order; COPY, since there may be one for each entry."""
    if not errors:
        return
    with connection.cursor() as cursor, _copy(cursor, VerificationError) as copy:
        for position, error in enumerate(errors):
            sequence = error["sequence"]
            copy.write_row(
                (
                    report.pk,
                    position,
                    error["index"],
                    "" if sequence is None else str(sequence)[:40],
                    error["code"],
                    safe_text(error["message"], length=MESSAGE_LENGTH) or "",
                )
            )


def copy_steps(report: VerificationReport, finding: Finding) -> None:
    """Store the replay; COPY is three times as quick as INSERT, and as safe."""
    if not finding.entries:
        return
    steps = replay_steps(finding.entries, finding.trusted_prefix or 0)
    with connection.cursor() as cursor, _copy(cursor, ReplayStep) as copy:
        for step in steps:
            copy.write_row(step_row(report.pk, step))


def _copy(cursor: Any, model: type[VerificationError] | type[ReplayStep]) -> Any:
    columns = ERROR_COLUMNS if model is VerificationError else STEP_COLUMNS
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    table = connection.ops.quote_name(model._meta.db_table)
    return cursor.copy(f"COPY {table} ({names}) FROM STDIN")


def step_row(report_id: int, step: dict[str, Any]) -> tuple[Any, ...]:
    """Return a step as it is stored, by STEP_COLUMNS; its triggers as JSON text."""
    return (
        report_id,
        step["index"],
        step["trusted"],
        safe_bigint(step.get("sequence")),
        safe_bigint(step.get("ts_ms")),
        safe_float(step.get("risk_score")),
        json.dumps(safe_texts(step["triggers"])) if step.get("triggers") else "[]",
        *(safe_text(step.get(name)) for name in STEP_TEXTS),
    )

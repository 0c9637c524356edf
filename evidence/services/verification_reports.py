"""What a verification found, written as its report, errors and steps."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import connection

from evidence.errors import (
    EvidenceError,
)
from evidence.format import DocumentRefused
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
# More than a faulty ledger of 10,000 calls has: an entry breaks some ten rules at most.
MOST_STORED_ERRORS = 100_000
Row = tuple[Any, ...]
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
    """What verifying found, not yet stored; the rows of its errors and steps apart."""

    outcome: Outcome
    document_kind: str = ""
    steps: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    overview: dict[str, Any] = field(default_factory=dict)
    refusal: DocumentRefused | EvidenceError | None = None
    error_count: int = 0
    step_count: int = 0
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
        error_count=finding.error_count,
        step_count=finding.step_count,
        trusted_prefix=finding.trusted_prefix,
        break_index=finding.break_index,
        diagnosis=finding.diagnosis,
    )


def error_rows(errors: Iterable[dict[str, Any]]) -> Iterator[Row]:
    """Yield the errors that are stored, by ERROR_COLUMNS without the report.

    A few megabytes can be made to hold millions of them, and would fill the database.
    """
    for position, error in enumerate(islice(errors, MOST_STORED_ERRORS)):
        sequence = error["sequence"]
        yield (
            position,
            error["index"],
            "" if sequence is None else str(sequence)[:40],
            error["code"],
            safe_text(error["message"], length=MESSAGE_LENGTH) or "",
        )


def copy_errors(report: VerificationReport, rows: Iterable[Sequence[Any]]) -> None:
    """Store the errors, in their order; COPY, since there may be very many."""
    if report.error_count:
        _copy_rows(report, VerificationError, rows)


def copy_steps(report: VerificationReport, rows: Iterable[Sequence[Any]]) -> None:
    """Store the replay; COPY is three times as quick as INSERT, and as safe."""
    if report.step_count:
        _copy_rows(report, ReplayStep, rows)


def _copy_rows(
    report: VerificationReport,
    model: type[VerificationError] | type[ReplayStep],
    rows: Iterable[Sequence[Any]],
) -> None:
    with connection.cursor() as cursor, _copy(cursor, model) as copy:
        for row in rows:
            copy.write_row((report.pk, *row))


def _copy(cursor: Any, model: type[VerificationError] | type[ReplayStep]) -> Any:
    columns = ERROR_COLUMNS if model is VerificationError else STEP_COLUMNS
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    table = connection.ops.quote_name(model._meta.db_table)
    return cursor.copy(f"COPY {table} ({names}) FROM STDIN")


def step_row(step: dict[str, Any]) -> Row:
    """Return a step as it is stored, by STEP_COLUMNS without the report.

    Its triggers are JSON text.
    """
    return (
        step["index"],
        step["trusted"],
        safe_bigint(step.get("sequence")),
        safe_bigint(step.get("ts_ms")),
        safe_float(step.get("risk_score")),
        json.dumps(safe_texts(step["triggers"])) if step.get("triggers") else "[]",
        *(safe_text(step.get(name)) for name in STEP_TEXTS),
    )

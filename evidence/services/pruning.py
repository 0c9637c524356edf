"""Pruning replays: a tombstone first, then the steps that it names.

The steps of a replay follow from the bytes of a bundle or ledger, which stay: worked
out anew they are what the tombstone says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from evidence.accounts.access import name_of
from evidence.audit.history import plain_json
from evidence.errors import EvidenceConflict, EvidencePruned
from evidence.format import (
    canonical_bytes,
    open_or_read,
    replay_steps,
    verify_document,
)
from evidence.models import ReplayStep, Tombstone, TombstoneKind, VerificationReport
from evidence.services.documents import unpack_document
from evidence.services.verification_reports import STEP_COLUMNS, step_row

CHUNK = 2000
SIZE_QUERY = """
    SELECT COALESCE(sum(pg_column_size(step.*)), 0) FROM evidence_replaystep AS step
     WHERE report_id = %s
"""


@dataclass(frozen=True)
class StepsDigest:
    """How many steps there are, and SHA-256 over them, a canonical document a line."""

    count: int
    sha256_hex: str


def digest_stored(report_id: int) -> StepsDigest:
    """Return the digest of the steps that the database has of a report."""
    rows = ReplayStep.objects.filter(report=report_id).order_by("index")
    return _digest(rows.values_list(*STEP_COLUMNS).iterator(chunk_size=CHUNK))


def digest_anew(data: bytes) -> StepsDigest:
    """Return the digest of the steps that follow from a bundle's or ledger's bytes."""
    document = unpack_document(data)
    result = verify_document(document).as_dict()
    is_bundle = str(result["kind"]) == "bundle"
    ledger = result["report"]["ledger"] if is_bundle else result["report"]
    whole = open_or_read(document)
    entries = (whole["risk_ledger"] if is_bundle else whole)["entries"]
    steps = replay_steps(entries, ledger["trusted_prefix"] or 0)
    return _digest(_as_stored((0, *step_row(step))) for step in steps)


def prune_replay(
    report: VerificationReport, found: StepsDigest, **stone: Any
) -> Tombstone:
    """Write the tombstone of a report's replay and delete its steps.

    Inside the caller's transaction, the case locked; `found` is their digest, which
    takes long and needs no lock, since steps never change; `stone` are the tombstone's
    columns that tell of the request. Raise EvidenceConflict where steps are missing.
    """
    if found.count != report.step_count:
        raise EvidenceConflict(
            f"The replay of report {report.pk} has {found.count} steps of "
            f"{report.step_count}: verify the records before anything is pruned.",
            code="replay_incomplete",
        )
    with connection.cursor() as cursor:
        cursor.execute(SIZE_QUERY, [report.pk])
        size = int(cursor.fetchone()[0])
        made = Tombstone.objects.create(
            kind=TombstoneKind.REPLAY,
            row_key=report.pk,
            row_count=found.count,
            size_bytes=size,
            sha256_hex=found.sha256_hex,
            kept={"policy_decisions": _decisions(report)},
            **stone,
        )
        cursor.execute("SELECT casefile_prune_replay(%s)", [made.pk])
    return made


def find_tombstone(kind: TombstoneKind, row_key: int) -> Tombstone | None:
    """Return what stays of a report's replay, or an alert's document, if pruned."""
    stones = Tombstone.objects.filter(kind=kind, row_key=row_key)
    return stones.select_related("archive", "requested_by", "approved_by").first()


def require_unpruned(kind: TombstoneKind, row_key: int) -> None:
    """Raise EvidencePruned where something was pruned; say which archive has it."""
    stone = find_tombstone(kind, row_key)
    if stone is not None:
        raise EvidencePruned(
            f"{stone.get_kind_display()} {row_key} was pruned at "
            f"{stone.pruned_at:%Y-%m-%d %H:%M} UTC, as {name_of(stone.requested_by)} "
            f"asked and {name_of(stone.approved_by)} approved. It is in archive "
            f"{stone.archive_id}, SHA-256 {stone.archive_sha256_hex}; its own SHA-256 "
            f"is {stone.sha256_hex}."
        )


def _decisions(report: VerificationReport) -> list[str]:
    """Return what the runtime decided in a replay: checklists go on asking for it."""
    found = report.replay_steps.order_by().values_list("policy_decision", flat=True)
    return sorted(decision for decision in found.distinct() if decision)


def _as_stored(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row as the database gives it back: its JSON as a value."""
    place = STEP_COLUMNS.index("triggers")
    return (*row[:place], json.loads(row[place]), *row[place + 1 :])


def _digest(rows: Iterable[tuple[Any, ...]]) -> StepsDigest:
    digest, count = hashlib.sha256(), 0
    for line in _lines(rows):
        digest.update(line)
        count += 1
    return StepsDigest(count, digest.hexdigest())


def _lines(rows: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
    for row in rows:
        document = dict(zip(STEP_COLUMNS, row, strict=True))
        del document["report_id"]
        yield canonical_bytes(plain_json(document)) + b"\n"

"""Holding tombstones against the archives that they name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from evidence.errors import CasefileError
from evidence.models import Tombstone, TombstoneKind, VerificationReport
from evidence.services.pruning import digest_anew
from incidents.models import Incident
from incidents.services.pruning.archived import ArchivedRows, open_rows


def find_tombstone_faults(incident: Incident) -> Iterator[str]:
    """Yield what a case's tombstones say and their archives do not, in sentences.

    Each archive is read and checked again; alerts' documents are hashed, and replays
    made anew from the bundles in it. It takes as long as verifying them did.
    """
    stones = Tombstone.objects.filter(incident=incident).select_related("archive")
    ordered = stones.order_by("archive", "pk")
    for archive, group in groupby(ordered, key=lambda stone: stone.archive):
        try:
            with open_rows(archive) as rows:
                for stone in group:
                    yield from _judge(stone, rows)
        except CasefileError as error:
            yield f"Archive {archive.pk} cannot be relied on. {error.message}"


def _judge(stone: Tombstone, rows: ArchivedRows) -> Iterator[str]:
    if stone.archive_sha256_hex != stone.archive.sha256_hex:
        yield f"{stone}: it names another archive than {stone.archive.file_name}."
    elif _digest_in(stone, rows) != stone.sha256_hex:
        yield f"{stone}: the archive has nothing with the SHA-256 {stone.sha256_hex}."


def _digest_in(stone: Tombstone, rows: ArchivedRows) -> str | None:
    """Return what the archive's copy hashes to; None where it has none."""
    if stone.kind == TombstoneKind.ALERT_DOCUMENT:
        return rows.alerts.get(stone.row_key)
    report = VerificationReport.objects.select_related("item").get(pk=stone.row_key)
    sha256_hex = report.item.sha256_hex
    if rows.reports.get(report.pk) != sha256_hex or sha256_hex not in rows.evidence:
        return None
    return digest_anew(rows.evidence_bytes(sha256_hex)).sha256_hex

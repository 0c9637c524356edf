"""Holding what is kept beside a row, so that lists are quick, against what it is of."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection, transaction

from evidence.audit.records.comparing import SESSION, RecordFault
from evidence.models.items import LATEST, EvidenceItem

NEWEST_QUERY = """
    SELECT item.id
      FROM evidence_evidenceitem AS item
      LEFT JOIN (
          SELECT DISTINCT ON (report.item_id)
                 report.item_id, report.id, report.outcome, report.finished_at
            FROM evidence_verificationreport AS report
            JOIN evidence_evidenceitem AS one ON one.id = report.item_id
           WHERE NOT (one.kind IN ('bundle', 'ledger')
                      AND report.outcome = 'digest_only')
           ORDER BY report.item_id, report.id DESC
      ) AS newest ON newest.item_id = item.id
     WHERE (item.latest_report_id, item.latest_outcome, item.latest_checked_at)
           IS DISTINCT FROM (newest.id, newest.outcome, newest.finished_at)
     ORDER BY item.id
"""


def find_wrong_outcomes() -> Iterator[RecordFault]:
    """Yield the items that show something else than what their newest report found."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in SESSION:
            cursor.execute(statement)
        cursor.execute(NEWEST_QUERY)
        keys = [str(key) for (key,) in cursor.fetchall()]
    for key in keys:
        yield RecordFault(
            EvidenceItem._meta.db_table,
            key,
            "outcome_wrong",
            f"the evidence item {key} does not show what its newest report found",
            LATEST,
        )

"""Holding what was pruned against its tombstones, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from evidence.audit.records.comparing import RecordFault

WITHOUT_STONE = "pruned_without_tombstone"
IN_SPITE_OF_STONE = "there_in_spite_of_tombstone"
QUERIES = (
    (
        "evidence_replaystep",
        WITHOUT_STONE,
        "the replay of report {} was deleted, and no tombstone says that it was pruned",
        """
        SELECT DISTINCT row_key FROM evidence_recordedrow AS gone
         WHERE table_name = 'evidence_replaystep' AND operation = 'delete'
           AND NOT EXISTS (SELECT FROM evidence_tombstone AS stone
                            WHERE stone.kind = 'replay'
                              AND stone.row_key::text = gone.row_key)
        """,
    ),
    (
        "incidents_alert",
        WITHOUT_STONE,
        "alert {} has no document, and no tombstone says that it was pruned",
        """
        SELECT id::text FROM incidents_alert AS one
         WHERE document IS NULL
           AND NOT EXISTS (SELECT FROM evidence_tombstone AS stone
                            WHERE stone.kind = 'alert_document'
                              AND stone.row_key = one.id)
        """,
    ),
    (
        "evidence_replaystep",
        IN_SPITE_OF_STONE,
        "the replay of report {} was pruned, and has steps again",
        """
        SELECT row_key::text FROM evidence_tombstone AS stone
         WHERE kind = 'replay'
           AND EXISTS (SELECT FROM evidence_replaystep AS step
                        WHERE step.report_id = stone.row_key)
        """,
    ),
    (
        "incidents_alert",
        IN_SPITE_OF_STONE,
        "the document of alert {} was pruned, and is there again",
        """
        SELECT stone.row_key::text FROM evidence_tombstone AS stone
          JOIN incidents_alert AS one ON one.id = stone.row_key
         WHERE stone.kind = 'alert_document' AND one.document IS NOT NULL
        """,
    ),
)


def find_unburied() -> Iterator[RecordFault]:
    """Yield what is gone without a tombstone, and what is there in spite of one."""
    for table, code, words, query in QUERIES:
        with connection.cursor() as cursor:
            cursor.execute(query)
            for (key,) in cursor.fetchall():
                yield RecordFault(table, key, code, words.format(key))

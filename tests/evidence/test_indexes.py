"""Indexes of tables that grow: none that another index serves as well.

Each takes room for every row, and time for every row that is written.
"""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection

pytestmark = pytest.mark.django_db

KEPT = {
    "evidence_recoverycode": "a few rows for each person",
    "evidence_sentform": "emptied every day",
    "incidents_lookin": "a few rows for each look into a case",
    "incidents_notification": "its other index begins with the person, and is larger",
    "incidents_playbookversion": "as many as there are playbooks",
    "policy_extensionversion": "a few rows for each extension",
}
"""Whose first column may have an index of its own besides a longer one, and why."""

SERVED_TWICE = """
    SELECT one.indrelid::regclass::text, one.indexrelid::regclass::text,
           other.indexrelid::regclass::text
      FROM pg_index AS one
      JOIN pg_index AS other
        ON other.indrelid = one.indrelid AND other.indexrelid <> one.indexrelid
       AND other.indkey[0] = one.indkey[0] AND other.indclass[0] = one.indclass[0]
     WHERE one.indnatts = 1 AND NOT one.indisunique AND one.indkey[0] <> 0
       AND one.indpred IS NULL AND other.indpred IS NULL
       AND one.indrelid::regclass::text ~ '^(evidence|policy|incidents)_'
"""
LIKE_OF_DIGESTS = """
    SELECT indexrelid::regclass::text FROM pg_index
     WHERE indrelid = 'evidence_auditentry'::regclass
       AND indexrelid::regclass::text LIKE '%\\_like'
"""


def test_no_growing_table_has_an_index_that_another_serves() -> None:
    joined = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.auto_created  # Django makes both of its indexes itself
    }
    with connection.cursor() as cursor:
        cursor.execute(SERVED_TWICE)
        found = cursor.fetchall()
    assert [row for row in found if row[0] not in {*KEPT, *joined}] == []


def test_no_entry_is_indexed_for_parts_of_its_hash() -> None:
    with connection.cursor() as cursor:
        cursor.execute(LIKE_OF_DIGESTS)
        assert cursor.fetchall() == []

"""Which tables have a row in some state, asked at once."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.database.states import find_in_states
from evidence.models import (
    UNFINISHED_STATES,
    ExportRequest,
    VerificationRequest,
    WorkState,
)
from evidence.queue.running import registered_kinds
from evidence.queue.sweeping import find_unfinished_kinds, requeue_lost_work
from incidents.services.notifications.waiting import (
    UNDECIDED,
    list_all_waiting,
    notify_waiting,
)
from tests.factories import make_evidence, make_incident

pytestmark = pytest.mark.django_db


def test_only_the_tables_with_such_a_row_are_found() -> None:
    make_evidence(make_incident(), verified=False)
    wanted = {VerificationRequest: UNFINISHED_STATES, ExportRequest: UNFINISHED_STATES}
    assert find_in_states(wanted) == {VerificationRequest}
    assert find_in_states({VerificationRequest: (WorkState.DONE,)}) == set()
    assert find_in_states({}) == set()
    assert [kind.model for kind in find_unfinished_kinds()] == [VerificationRequest]


def test_an_index_serves_where_there_is_none() -> None:
    """Else a table of a million finished pieces would be read every 15 seconds."""
    with CaptureQueriesContext(connection) as asked, connection.cursor() as cursor:
        find_in_states({kind.model: UNFINISHED_STATES for kind in registered_kinds()})
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {asked.captured_queries[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan, plan
    assert plan.count("Index") >= len(registered_kinds())


def test_at_rest_a_sweep_asks_one_question() -> None:
    for sweep in (requeue_lost_work, notify_waiting):
        with CaptureQueriesContext(connection) as asked:
            assert sweep() == 0
        read = [query for query in asked if "SELECT" in query["sql"]]
        assert len(read) == 1, read


def test_the_question_is_asked_of_all_that_may_wait_for_a_reviewer() -> None:
    """Of one left out nobody would be told."""
    with CaptureQueriesContext(connection) as asked:
        assert list_all_waiting() == []
    tables = {re.findall(r'FROM "(\w+)"', query["sql"])[0] for query in asked}
    assert tables == {model._meta.db_table for model in UNDECIDED}

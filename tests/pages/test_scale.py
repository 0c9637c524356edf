"""Pages and lists cost the same for many cases as for few.

The cases of the filled world are copied some thirty times over, which takes a second.
What is asked then sends no more queries than before, and no plan reads a growing table
whole. With so few rows PostgreSQL would rather scan than use an index, and rightly so:
it is told not to (`enable_seqscan = off`), and what is counted are the rows that a plan
takes in hand, by whatever node: an index that is read from end to end is found, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from evidence.accounts.access import Role
from incidents.models import Incident, Team
from tests.bench.scale.asked import Question, choose_case, list_pages, tabs
from tests.bench.scale.copies import ENTRIES, copy_cases
from tests.bench.scale.measuring import (
    Statement,
    nodes,
    read_plan,
    rows_of,
    seen_statements,
)
from tests.factories import make_user

pytestmark = pytest.mark.django_db

CASES = 300
LEAST_ROWS = 1000
"""A smaller table is joined quickest by reading all of it, whatever the page."""
MORE_QUERIES = 3
"""What a page may send for what it did not show before: a link, a related table."""
COUNTED = "the list says how many there are"
JOINED = "few rows for each case: joined by reading all of them"
WHOLE = {
    "case: tab checklist: incidents_checklistentry": JOINED,
    "case: tab postmortem: incidents_checklistentry": JOINED,
    "list evidence.auditentry: first page: evidence_auditentry": COUNTED,
    "list incidents.notification: first page: incidents_notification": COUNTED,
    "list incidents.postmortem: first page: incidents_cycle": JOINED,
    "list evidence.evidenceitem: first page: incidents_cycle": JOINED,
    "list evidence.evidenceitem: first page: evidence_evidenceitem": COUNTED,
}
"""What may read a table whole, by question and table, and why."""
WHOLE_TO_BOUND: set[str] = set()
"""The same, asked by somebody whose team sees only its own cases."""
MANY = {"list evidence.evidenceitem: first page": 32}
"""What sends more queries for a full page than for a few rows, and how many at most."""


def ask(
    browser: Client, question: Question, *, may_refuse: tuple[int, ...] = ()
) -> list[Statement]:
    """Return what a page sends to the database; what it writes is taken back."""
    with transaction.atomic(), seen_statements() as seen:
        status = browser.get(question.url).status_code
        assert status in (200, *may_refuse), question.name
        transaction.set_rollback(True)
    return seen.statements


def first_pages() -> Iterator[Question]:
    """Yield the first page of every list, the tabs of a case, and what is of all cases.

    So is the filter of clocks that are late, which may look at each open case.
    """
    case = choose_case()
    cases = reverse("admin:incidents_incident_changelist")
    mine = reverse("admin:incidents_incident_my_items")
    yield Question("page", "dashboard", reverse("admin:index"))
    yield Question("page", "my items", mine)
    yield Question("list incidents.incident", "late", f"{cases}?breached=yes")
    yield from (one for one in list_pages(case) if one.kind == "first page")
    yield from tabs(case)


def read_whole(
    statements: list[Statement], growing: set[str], known: dict[str, set[str]]
) -> set[str]:
    """Return the growing tables that some statement takes all rows of in hand.

    `known` keeps what was found of a statement: pages share many, word for word.
    """
    found = set()
    for statement in statements:
        asked = f"{statement.sql} {statement.params}"
        if asked not in known:
            known[asked] = tables_read_whole(statement, growing)
        found |= known[asked]
    return found


def tables_read_whole(statement: Statement, growing: set[str]) -> set[str]:
    plan = read_plan(statement, analyze=True)
    taken: Counter[str] = Counter()
    for _, node in nodes(plan["Plan"]) if plan else ():
        if node.get("Relation Name") in growing:
            taken[node["Relation Name"]] += rows_of(node)
    return {table for table, rows in taken.items() if rows >= size_of(table)}


@cache
def size_of(table: str) -> float:
    """Return how many rows a table has; without end for a small one, and for none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [table])
        found = cursor.fetchone()
    return found[0] if found and found[0] >= LEAST_ROWS else float("inf")


def test_pages_cost_the_same_for_many_cases(everything: Incident) -> None:
    browser = Client()
    browser.force_login(User.objects.get(username="root"))
    few = {one.name: len(ask(browser, one)) for one in first_pages()}
    plan = copy_cases(cases=CASES, say=lambda text: None, bulk=False)
    growing = {*plan.expressions, ENTRIES}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    more, whole, known = {}, set(), {}
    for question in first_pages():
        statements = ask(browser, question)
        most = MANY.get(question.name, few[question.name] + MORE_QUERIES)
        if len(statements) > most:
            more[question.name] = (few[question.name], len(statements))
        tables = read_whole(statements, growing, known)
        whole |= {f"{question.name}: {table}" for table in tables}
    assert (more, whole - set(WHOLE)) == ({}, set())


def test_pages_of_who_sees_few_cases_read_no_table_whole(everything: Incident) -> None:
    person = make_user(Role.REVIEWER, "bound")
    team = Team.objects.create(name="Sees only its own", sees_only_own_cases=True)
    team.members.add(person)
    browser = Client()
    browser.force_login(person)
    plan = copy_cases(cases=CASES, say=lambda text: None, bulk=False)
    own = list(Incident.everything.order_by("pk").values_list("pk", flat=True)[::50])
    Incident.everything.filter(pk__in=own).update(team=team)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    growing, whole, known = {*plan.expressions, ENTRIES}, set(), {}
    asked = 0
    for question in first_pages():
        if question.name.startswith("case: "):
            continue
        asked += 1
        statements = ask(browser, question, may_refuse=(403,))
        tables = read_whole(statements, growing, known)
        whole |= {f"{question.name}: {table}" for table in tables}
    assert (asked > 30, whole - WHOLE_TO_BOUND) == (True, set())

"""Columns of an ordered query know what they are equal to, as Django would say it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import CharField, QuerySet
from django.db.models.expressions import Col, Expression
from django.utils.functional import cached_property

from evidence.database.compiler import know_identity
from evidence.models import EvidenceItem
from incidents.models import Incident, IncidentPhase

ORDERED: tuple[QuerySet[Any], ...] = (
    Incident.everything.select_related("lead", "opened_by", "closed_by").order_by("pk"),
    Incident.everything.order_by("-lead__username", "pk"),
    EvidenceItem.objects.select_related("incident", "received_by").order_by("-pk"),
    IncidentPhase.objects.select_related("completed_by", "cycle__incident"),
)


def test_no_column_works_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    known = cached_property(asked.append)
    known.__set_name__(Expression, "identity")
    monkeypatch.setattr(Expression, "identity", known)
    for rows in ORDERED:
        rows.query.get_compiler(connection=connection).as_sql()
    assert not [one for one in asked if type(one) is Col]


@pytest.mark.parametrize("rows", ORDERED)
def test_columns_are_equal_to_what_django_would_say(rows: QuerySet[Any]) -> None:
    compiler: Any = rows.query.get_compiler(connection=connection)
    compiler.as_sql()
    columns = [column for column, _, _ in compiler.select if type(column) is Col]
    assert len(columns) > 20
    for column in columns:
        known = vars(column)["identity"]
        arguments, named = column._constructor_args
        assert known == type(column)(*arguments, **named).identity


def test_a_column_read_as_another_type_is_another() -> None:
    field = Incident._meta.get_field("id")
    for arguments in (("t",), ("t", field), ("t", CharField()), ("t", None)):
        alias, *output = arguments
        column = Col(alias, field, *output)
        know_identity(column)
        assert vars(column)["identity"] == Col(alias, field, *output).identity

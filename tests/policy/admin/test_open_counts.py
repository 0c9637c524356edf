"""The list of extensions counts the open cases of the rows it shows, and no others."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from incidents.models import Incident
from tests.bench.scale.measuring import seen_statements
from tests.factories import close_false_alarm, make_incident

pytestmark = pytest.mark.django_db
LIST = reverse("admin:policy_extension_changelist")


def test_open_cases_are_counted_for_each_row_by_itself(
    client: Client, reviewer: User
) -> None:
    cases = [make_incident() for _ in range(3)]
    close_false_alarm(cases[0])
    named = cases[0].extensions.get()
    other = make_incident(extension_ids=("other.one",)).extensions.get()
    Incident.everything.get(extensions=other).extensions.clear()
    client.force_login(reviewer)
    with seen_statements() as seen:
        page = client.get(LIST)
    rows = page.context["cl"].result_list
    assert {row.pk: row.open_count for row in rows} == {named.pk: 2, other.pk: 0}
    (listing,) = [
        one.sql
        for one in seen.statements
        if '"open_count"' in one.sql and "COUNT(*) FROM" not in one.sql
    ]
    # The rows themselves are neither joined with cases nor grouped by them.
    assert 'LEFT OUTER JOIN "incidents_incident' not in listing
    assert not listing.rpartition(" ORDER BY ")[0].endswith('"policy_extension"."id"')

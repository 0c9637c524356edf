"""Lists of any length: counted up to a bound, and gone on with after a row."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Case, F, Value, When
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from evidence.admin import long_lists
from evidence.admin.long_lists import go_on_after, place_of
from evidence.models import AuditEntry, EvidenceItem
from incidents.case_queries import worst_first
from incidents.models import Incident
from tests.factories import make_evidence, make_incident

pytestmark = pytest.mark.django_db
AUDIT = reverse("admin:evidence_auditentry_changelist")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a list long that has more than a page of two rows."""
    monkeypatch.setattr(long_lists, "COUNTED", 4)
    monkeypatch.setattr("evidence.admin.history.AuditEntryAdmin.list_per_page", 2)


@pytest.fixture
def entries() -> list[int]:
    for _ in range(6):
        make_incident()
    found = list(AuditEntry.objects.order_by("-recorded_at", "-id"))
    assert len(found) > 5
    return [entry.pk for entry in found]


@pytest.fixture
def reader(client: Client, auditor: Any) -> Client:
    client.force_login(auditor)
    return client


def link(page: Any, words: str) -> str:
    found = re.search(rf'<a href="([^"]*)">{words}</a>', page.content.decode())
    return found[1].replace("&amp;", "&") if found else ""


def walk(rows: Any, size: int) -> list[int]:
    """Return the keys of a list, read in pieces that each go on after the last."""
    found, piece = [], list(rows[:size])
    while piece:
        found += [row.pk for row in piece]
        piece = list(go_on_after(rows, place_of(rows, piece[-1]))[:size])
    return found


@pytest.mark.usefixtures("short", "entries")
def test_a_long_list_says_that_there_are_more_and_not_how_many(reader: Client) -> None:
    text = re.sub(r"\s+", " ", reader.get(AUDIT).content.decode())
    assert "more than 4 audit entries" in text
    assert 'class="question' not in text
    assert re.search(r"\d+ results", text) is None


@pytest.mark.usefixtures("short")
def test_the_last_page_goes_on_after_its_rows_to_the_end(
    reader: Client, entries: list[int]
) -> None:
    found, address = [], AUDIT
    while address:
        page = reader.get(address)
        found += [entry.pk for entry in page.context["cl"].result_list]
        changes = page.context["cl"]
        if changes.page_num < changes.paginator.num_pages:
            address = AUDIT + changes.get_query_string({"p": changes.page_num + 1})
        else:
            onward = link(page, "Go on")
            address = AUDIT + onward if onward else ""
    assert found == entries
    assert link(page, "From the start") == "?"


@pytest.mark.usefixtures("short", "entries")
def test_a_page_beyond_the_numbered_ones_says_how_to_go_on(reader: Client) -> None:
    page = reader.get(AUDIT, {"p": "4000"})
    assert page.context["cl"].page_num == 2
    assert "Go on from its end, or narrow the list" in page.content.decode()


@pytest.mark.usefixtures("short", "entries")
def test_another_order_begins_at_the_start(reader: Client) -> None:
    address = AUDIT + link(reader.get(AUDIT, {"p": "2"}), "Go on")
    changes = reader.get(address).context["cl"]
    assert "after=" in changes.get_query_string({"p": 2})
    assert "after=" not in changes.get_query_string({"o": "1"})


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "!!",
        "W10",
        "WzFd",
        "e30",
        "WyJcdTAwMDAiLCAxXQ",
        "W251bGwsIFsxXV0",
        "A" * 3000,
    ],
)
def test_what_is_no_place_in_the_list_is_no_error_page(
    reader: Client, after: str
) -> None:
    assert reader.get(AUDIT, {"after": after}).status_code in (200, 302)


def test_cases_are_gone_on_with_in_their_own_order() -> None:
    for title in "abcdefg":
        make_incident(title=title)
    rows = worst_first(Incident.objects.all())
    assert walk(rows, 2) == [row.pk for row in rows]


@pytest.mark.parametrize(
    "order",
    [
        ("latest_checked_at", "pk"),
        ("-latest_checked_at", "-pk"),
        (F("latest_outcome").asc(nulls_first=True), "-pk"),
        (F("latest_outcome").desc(nulls_last=True), "pk"),
        ("-incident__reference", "original_name", "-pk"),
        (Case(When(size_bytes__gt=5, then=Value(1)), default=Value(0)).desc(), "pk"),
    ],
    ids=range(6),
)
def test_no_row_is_left_out_or_comes_twice_in_any_order(order: Any) -> None:
    incident, now = make_incident(), timezone.now()
    for n in range(7):
        content = str(n).encode() * (n + 1)
        make_evidence(incident, content=content, verified=bool(n % 2))
    rows = EvidenceItem.objects.filter(received_at__lte=now + dt.timedelta(1))
    rows = rows.order_by(*order)
    assert walk(rows, 3) == [row.pk for row in rows]


def test_a_place_of_another_order_is_refused() -> None:
    make_evidence(make_incident())
    rows = EvidenceItem.objects.order_by("-received_at", "-pk")
    place = place_of(rows, rows[0])
    with pytest.raises(IncorrectLookupParameters):
        go_on_after(rows.order_by("pk"), place)


def test_what_one_may_not_see_is_in_no_later_page(responder: Any) -> None:
    make_incident()
    seen, hidden = make_incident(), make_incident()
    Incident.objects.filter(pk=hidden.pk).update(is_restricted=True)
    rows = worst_first(Incident.objects.visible_to(responder))
    everything = worst_first(Incident.objects.all())
    first = everything[0]
    later = go_on_after(rows, place_of(everything, first))
    assert hidden.pk not in {row.pk for row in later} | {row.pk for row in rows}
    assert seen.pk in {row.pk for row in rows}

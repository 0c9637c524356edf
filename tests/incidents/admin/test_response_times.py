"""*Response times*: every figure opens the cases it counts, and no others."""

import csv
import datetime as dt
import io
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from evidence.accounts.access import Role
from incidents.models import IncidentPhase
from tests.factories import make_incident, make_user

pytestmark = pytest.mark.django_db
PAGE = "admin:incidents_incident_metrics"
REFERENCE = re.compile(r'<span class="cf-reference">([^<]+)</span>')


def contained(minutes, *, days=1, **fields):
    moment = timezone.now() - dt.timedelta(days=days)
    case = make_incident(detected_at=moment, now=moment, **fields)
    IncidentPhase.objects.filter(cycle__incident=case, phase="contain").update(
        started_at=moment,
        counted_from=moment,
        due_at=moment + dt.timedelta(minutes=5),
        completed_at=moment + dt.timedelta(minutes=minutes),
    )
    return case


@pytest.fixture
def auditor(client):
    client.force_login(make_user(Role.AUDITOR))
    return client


def listed(client, href):
    page = client.get(href.replace("&amp;", "&"))
    assert page.status_code == 200
    return sorted(set(REFERENCE.findall(page.content.decode())))


def links(client, *, within):
    page = client.get(reverse(PAGE)).content.decode()
    start = page.index(f'aria-labelledby="{within}"')
    section = page[start : page.index("</section>", start)]
    return re.findall(r'href="([^"]*/incident/\?[^"]*)"', section)


def test_breached_limit_opens_the_late_cases(auditor):
    contained(3)
    late = contained(8)
    contained(9, days=700)
    (href, *_) = [
        link for link in links(auditor, within="limits-title") if "contain" in link
    ]
    assert listed(auditor, href) == [late.reference]


def test_month_of_a_plot_opens_its_cases(auditor):
    case = contained(3)
    contained(4, days=200)
    months = links(auditor, within="plot-contain")
    month = f"{case.detected_at:%Y-%m}-01"
    (href,) = {link for link in months if month in link}
    assert listed(auditor, href) == [case.reference]


def test_week_opens_the_cases_of_its_class(auditor):
    case = contained(3, playbook="INC-3")
    contained(3, playbook="INC-2")
    found = [listed(auditor, href) for href in links(auditor, within="weeks-title")]
    assert [case.reference] in found
    assert len(found) == 2


def test_age_opens_the_open_cases_of_it(auditor):
    contained(3)
    older = contained(3, days=50)
    (_, href) = links(auditor, within="ages-title")
    assert listed(auditor, href) == [older.reference]


def test_page_without_a_case_says_so(auditor):
    page = auditor.get(reverse(PAGE)).content.decode()
    assert "No phase was completed or breached" in page
    assert "No case was detected in this time." in page


@pytest.mark.parametrize(
    ("table", "first"),
    [
        ("phases", ["month", "class", "severity", "phase", "sample_size"]),
        ("weeks", ["week_from", "class", "cases"]),
        ("ages", ["age", "cases"]),
    ],
)
def test_every_table_goes_into_a_spreadsheet(auditor, table, first):
    contained(3)
    answer = auditor.get(reverse("admin:incidents_incident_metrics_csv", args=[table]))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0][: len(first)] == first
    assert len(rows) > 1


@pytest.mark.parametrize("query", ["?by=x", "?months=7"])
def test_question_that_makes_no_sense_finds_nothing(auditor, query):
    assert auditor.get(reverse(PAGE) + query).status_code == 404


def test_table_that_is_none_finds_nothing(auditor):
    address = reverse("admin:incidents_incident_metrics_csv", args=["people"])
    assert auditor.get(address).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "detected=2026-13-01..",
        "detected=..",
        "detected=9999-12-31..9999-12-31",
        "phase_time=contain:x",
        "phase_time=x",
        "age=none",
    ],
)
def test_filter_that_cannot_be_read_finds_no_case(auditor, query):
    contained(3)
    address = reverse("admin:incidents_incident_changelist")
    assert listed(auditor, f"{address}?{query}") == []

"""Times to complete phases, with their sample size."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from incidents.models import IncidentPhase
from tests.factories import make_incident

pytestmark = pytest.mark.django_db
URL = "/api/v1/metrics/phase-times/"


def contain_case(minutes: int, **fields: object) -> None:
    """Open a case yesterday whose CONTAIN took so many minutes from detection."""
    moment = timezone.now() - dt.timedelta(days=1)
    case = make_incident(detected_at=moment, now=moment, **fields)
    phases = IncidentPhase.objects.filter(cycle__incident=case, phase="contain")
    phases.update(
        started_at=moment,
        counted_from=moment,
        completed_at=moment + dt.timedelta(minutes=minutes),
    )


def test_median_and_percentile_come_with_the_sample_size(reader: APIClient) -> None:
    for minutes in (2, 4, 12):
        contain_case(minutes)
    figures = reader.get(f"{URL}?by=none").json()
    assert [row for row in figures if row["phase"] == "contain"] == [
        {
            "month": "all",
            "playbook": "all",
            "severity": "all",
            "phase": "contain",
            "sample_size": 3,
            "median_seconds": 240.0,
            "percentile_90_seconds": 720.0,
            "limit_seconds": 300.0,
            "judged": 3,
            "within_limit": 2,
        }
    ]


def test_figures_are_grouped_as_asked(reader: APIClient) -> None:
    contain_case(2)
    contain_case(4, playbook="INC-6", severity="low")
    rows = reader.get(f"{URL}?by=class").json()
    assert [
        (row["playbook"], row["sample_size"])
        for row in rows
        if row["phase"] == "contain"
    ] == [("INC-2", 1), ("INC-6", 1)]
    assert {row["severity"] for row in reader.get(URL).json()} == {"high", "low"}


def test_cases_from_before_are_left_out(reader: APIClient) -> None:
    contain_case(2)
    assert reader.get(f"{URL}?days=1").json() == []


@pytest.mark.parametrize("query", ["by=colour", "days=0", "days=x", "days=99999"])
def test_question_that_makes_no_sense_is_refused(reader: APIClient, query: str) -> None:
    response = reader.get(f"{URL}?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "validation_failed")


def test_cases_are_counted_by_week_and_age(reader: APIClient) -> None:
    contain_case(2)
    contain_case(2, playbook="INC-6")
    weeks = reader.get("/api/v1/metrics/case-weeks/?days=30").json()
    assert [(row["playbook"], row["cases"]) for row in weeks] == [
        ("INC-2", 1),
        ("INC-6", 1),
    ]
    ages = reader.get("/api/v1/metrics/case-ages/").json()
    assert [row["cases"] for row in ages] == [0, 2, 0, 0, 0]
    assert (ages[1]["from_days"], ages[1]["until_days"]) == (1, 7)
    assert ages[-1]["until_days"] is None


def test_phase_that_is_late_and_not_complete_has_no_median(reader: APIClient) -> None:
    moment = timezone.now() - dt.timedelta(hours=1)
    make_incident(detected_at=moment, now=moment)
    (row,) = [
        row for row in reader.get(f"{URL}?by=none").json() if row["phase"] == "contain"
    ]
    assert (row["sample_size"], row["median_seconds"]) == (0, None)
    assert (row["judged"], row["within_limit"]) == (1, 0)

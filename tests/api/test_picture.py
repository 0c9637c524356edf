"""What happened, over the API: bounded, narrowed, and of visible cases only."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from evidence.stored_moments import from_ms
from incidents.models import Incident
from tests.factories import make_evidence, make_incident

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident() -> Incident:
    case = make_incident()
    make_evidence(case)
    return case


def url(incident: Incident, query: str = "") -> str:
    return f"/api/v1/incidents/{incident.reference}/picture/{query}"


def test_it_answers_with_lanes_and_targets(
    reader: APIClient, incident: Incident
) -> None:
    body = reader.get(url(incident)).json()
    lanes = {lane["key"]: lane for lane in body["lanes"]}
    assert {"phases", "kills", "executed", "risk", "secrets", "people"} <= set(lanes)
    step = lanes["executed"]["marks"][0]["target"]
    assert (step["kind"], step["id"]) == ("step", incident.evidence_items.get().pk)
    assert body["window"]["from_ms"] < body["window"]["to_ms"]


def test_window_narrows_it(reader: APIClient, incident: Incident) -> None:
    whole = reader.get(url(incident)).json()["window"]
    ends = (from_ms(whole["from_ms"]), from_ms(whole["to_ms"] - 1_000))
    since, until = (f"{end:%Y-%m-%dT%H:%M:%SZ}" for end in ends)
    answer = reader.get(url(incident, f"?since={since}&until={until}"))
    assert answer.status_code == 200
    assert answer.json()["window"]["to_ms"] < whole["to_ms"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?since=2026-03-10T12:00:00Z", "both ends"),
        ("?since=2026-03-10T12:00:00Z&until=2026-03-10T12:00:00Z", "come after"),
        ("?since=perhaps&until=2026-03-10T12:00:00Z", "wrong format"),
    ],
)
def test_window_that_makes_no_sense_is_refused(
    reader: APIClient, incident: Incident, query: str, words: str
) -> None:
    answer = reader.get(url(incident, query))
    assert answer.status_code == 400
    assert words in answer.content.decode()


def test_a_case_that_is_not_there_is_not_found(
    reader: APIClient, incident: Incident
) -> None:
    assert reader.get("/api/v1/incidents/SEC-INC-2020-9999/picture/").status_code == 404

"""Pruning on the pages and in the API: shown before it is asked for, and after."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.models import ReplayStep, TokenScope, Tombstone, VerificationReport
from incidents.models import Alert, Incident, PruneRequest
from incidents.services.lifecycle.holds import place_hold
from incidents.services.picture.evidence_lanes import read_sources
from incidents.services.pruning.running import run_pruning
from tests.api.conftest import make_client
from tests.factories import make_user
from tests.incidents.pruning.cases import approve, ask, make_archived, prune
from tests.shared import share

pytestmark = [pytest.mark.django_db, pytest.mark.long]
_kept, incident, _django_db_helper, evidence_folder = share(make_archived)


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def administrator_client(db: None) -> Client:
    return sign_in(make_user(Role.ADMINISTRATOR))


def ask_page(incident: Incident) -> str:
    return f"{reverse('admin:incidents_prunerequest_add')}?case={incident.reference}"


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def case_page(incident: Incident) -> str:
    return reverse("admin:incidents_incident_change", args=[incident.pk])


def test_a_closed_case_leads_to_what_would_go_with_sizes_and_the_archive(
    incident: Incident, administrator_client: Client
) -> None:
    assert f"?case={incident.reference}" in text_of(
        administrator_client, case_page(incident)
    )
    page = text_of(administrator_client, ask_page(incident))
    steps = VerificationReport.objects.get().step_count
    assert "Replay steps of a report" in page
    assert f"<td>{steps}</td>" in page
    assert "bytes" in page or "KB" in page
    assert incident.archives.get().file_name in page
    assert "Nothing is in the way" in page
    assert not PruneRequest.objects.exists()


def test_what_is_in_the_way_is_told_before_anybody_asks(
    incident: Incident, administrator_client: Client
) -> None:
    place_hold(actor=make_user(), incident_id=incident.pk, reason="A court asked.")
    page = text_of(administrator_client, ask_page(incident))
    assert "on hold: responder put it there" in page
    assert "Ask a reviewer" not in page


def test_it_is_asked_for_decided_on_and_shown_with_tombstones(
    incident: Incident, administrator_client: Client
) -> None:
    answer = administrator_client.post(
        ask_page(incident), {"case": incident.reference, "reason": "Old enough."}
    )
    request = PruneRequest.objects.get()
    page = reverse("admin:incidents_prunerequest_change", args=[request.pk])
    assert answer.headers["Location"] == page
    waiting = text_of(administrator_client, page)
    assert "Waits for a reviewer who did not ask for it" in waiting
    assert "Nothing was pruned" in waiting
    assert "Approve the pruning" not in waiting
    reviewer = sign_in(make_user(Role.REVIEWER))
    assert "Approve the pruning" in text_of(reviewer, page)
    assert "waits for a reviewer" in text_of(reviewer, case_page(incident))
    run = approve(request)
    assert "Waits for a worker" in text_of(reviewer, page)
    run_pruning(run_id=run.pk)
    done = text_of(reviewer, page)
    for stone in Tombstone.objects.all():
        assert stone.sha256_hex in done
    assert "Pruned" in text_of(reviewer, case_page(incident))


def test_a_refusal_comes_back_with_what_was_typed(
    incident: Incident, administrator_client: Client
) -> None:
    page = ask_page(incident)
    data = {"case": incident.reference, "reason": "Why not?"}
    place_hold(actor=make_user(), incident_id=incident.pk, reason="A court asked.")
    answer = administrator_client.post(page, data)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "on hold" in text
    assert "Why not?" in text
    assert not PruneRequest.objects.exists()


@pytest.mark.parametrize("role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR])
def test_only_an_administrator_is_offered_to_ask(
    incident: Incident, role: Role
) -> None:
    client = sign_in(make_user(role))
    assert "prunerequest/add" not in text_of(client, case_page(incident))
    assert client.get(ask_page(incident)).status_code == 403


def test_a_stopped_run_says_what_stopped_it(
    incident: Incident, administrator_client: Client
) -> None:
    run = approve(ask(incident))
    place_hold(actor=make_user(), incident_id=incident.pk, reason="A court asked.")
    run_pruning(run_id=run.pk)
    page = reverse("admin:incidents_prunerequest_change", args=[run.request_id])
    said = text_of(administrator_client, page)
    assert "Stopped" in said
    assert "on hold: responder put it there" in said
    assert "Pruning stopped" in text_of(administrator_client, case_page(incident))


def test_a_pruned_replay_and_document_say_where_they_are(
    incident: Incident, administrator_client: Client
) -> None:
    item = incident.evidence_items.get()
    alert = Alert.objects.filter(incident=incident).earliest("pk")
    prune(incident)
    archive = incident.archives.get()
    item_page = reverse("admin:evidence_evidenceitem_change", args=[item.pk])
    alert_page = reverse("admin:incidents_alert_change", args=[alert.pk])
    for page in (f"{item_page}?view=replay", alert_page):
        said = text_of(administrator_client, page)
        assert "was pruned" in said
        assert archive.sha256_hex in said
        assert "No step matches" not in said
    notes = read_sources(incident)[1]
    assert any("was pruned, and is in archive" in note for note in notes)


def test_the_api_says_gone_and_lists_requests_runs_and_tombstones(
    incident: Incident,
) -> None:
    report = VerificationReport.objects.get()
    alert = Alert.objects.filter(incident=incident).earliest("pk")
    client = make_client(make_user(Role.AUDITOR), TokenScope.READ)
    steps = f"/api/v1/reports/{report.pk}/replay-steps/"
    assert get(client, steps)["results"]
    prune(incident)
    answer = client.get(steps)
    assert (answer.status_code, answer.json()["code"]) == (410, "pruned")
    archive = incident.archives.get()
    told = answer.json()["detail"]
    assert archive.sha256_hex in told
    assert "as administrator asked and reviewer approved" in told
    whole = get(client, f"/api/v1/reports/{report.pk}/")
    stone = whole["replay_tombstone"]
    assert stone["archive_sha256_hex"] == archive.sha256_hex
    assert (stone["requested_by"], stone["approved_by"]) == (
        "administrator",
        "reviewer",
    )
    detail = get(client, f"/api/v1/alerts/{alert.pk}/")
    assert detail["document"] is None
    assert detail["tombstone"]["archive_sha256_hex"] == archive.sha256_hex
    query = f"?incident={incident.reference}"
    (request,) = get(client, f"/api/v1/prune-requests/{query}")["results"]
    assert (request["state"], request["requested_by"]) == ("approved", "administrator")
    (run,) = get(client, f"/api/v1/prune-runs/{query}")["results"]
    assert run["state"] == "done"
    stones = get(client, f"/api/v1/tombstones/{query}")["results"]
    assert len(stones) == Tombstone.objects.count()
    assert not ReplayStep.objects.exists()


@pytest.mark.parametrize("more", ["", "&call_id=x", "&format=ndjson", "&format=csv"])
def test_the_list_of_all_steps_does_not_look_empty_for_a_pruned_replay(
    incident: Incident, more: str
) -> None:
    report = VerificationReport.objects.get()
    client = make_client(make_user(Role.AUDITOR), TokenScope.READ)
    url = f"/api/v1/replay-steps/?report={report.pk}{more}"
    assert client.get(url).status_code == 200
    prune(incident)
    answer = client.get(url)
    assert (answer.status_code, answer.json()["code"]) == (410, "pruned")
    assert incident.archives.get().sha256_hex in answer.json()["detail"]
    assert client.get("/api/v1/replay-steps/").status_code == 200
    for report_id in ("x", "9" * 5000, "-1", "1.5"):
        assert client.get(url.replace(str(report.pk), report_id)).status_code in (
            200,
            400,
        )


def get(client: APIClient, url: str) -> Any:
    answer = client.get(url)
    assert answer.status_code == 200, answer.content
    return answer.json()

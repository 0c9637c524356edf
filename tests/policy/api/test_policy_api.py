"""The API of policy: read by scope, confirmed and snapshotted by the runtime."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from evidence.models import EvidenceItem, TokenScope
from incidents.models import Incident
from policy.models import Extension, KillSwitch, PolicySnapshot
from policy.services.kill_switches import activate_kill_switch
from policy.services.scans import request_scan, run_scan
from policy.services.trust import demote_extension
from tests.api.conftest import make_client
from tests.factories import NOON, make_evidence
from tests.policy.samples import SAFE, make_extension, take

RESOURCES = (
    "extensions",
    "trust-transitions",
    "kill-switches",
    "policy-snapshots",
    "rollbacks",
    "scans",
)


@pytest.fixture
def reader(auditor: User) -> APIClient:
    return make_client(auditor, TokenScope.READ)


@pytest.fixture
def runtime(machine: User) -> APIClient:
    """The runtime's own token: it reads its orders, and writes policy."""
    return make_client(machine, TokenScope.READ, TokenScope.POLICY_WRITE)


@pytest.fixture
def switch(incident: Incident, extension: Extension, responder: User) -> KillSwitch:
    return activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="It reads secrets.",
        actor=responder,
    )


@pytest.mark.parametrize("resource", RESOURCES)
def test_lists_are_pages_and_read_only(
    incident: Incident, reader: APIClient, resource: str
) -> None:
    answer = reader.get(f"/api/v1/{resource}/")
    assert answer.status_code == 200
    assert set(answer.json()) == {"next", "previous", "results"}
    assert reader.delete(f"/api/v1/{resource}/1/").status_code in (403, 405)
    assert reader.get(f"/api/v1/{resource}/?nonsense=1").status_code == 400


@pytest.mark.parametrize("resource", RESOURCES)
def test_without_a_token_or_a_role_there_is_nothing(
    incident: Incident, outsider: User, resource: str
) -> None:
    path = f"/api/v1/{resource}/"
    assert APIClient().get(path).status_code == 401
    assert make_client(outsider, TokenScope.READ).get(path).status_code == 403


def test_the_trust_at_a_past_moment(
    incident: Incident, extension: Extension, responder: User, reader: APIClient
) -> None:
    demote_extension(extension_pk=extension.pk, reason="r", actor=responder, now=NOON)
    path = f"/api/v1/extensions/{extension.pk}/trust/"
    before = (NOON - dt.timedelta(seconds=1)).isoformat()
    assert reader.get(path, {"at": before}).json()["trust_state"] == "unknown"
    assert reader.get(path).json()["trust_state"] == "quarantined"
    assert reader.get(path, {"at": "soon"}).status_code == 400


def test_the_runtime_reads_its_order_and_confirms_it(
    switch: KillSwitch, runtime: APIClient
) -> None:
    orders = runtime.get("/api/v1/kill-switches/", {"state": "ordered"}).json()
    (order,) = orders["results"]
    assert order["instruction"]["command"] == "pi --explain-extension-policy"
    path = f"/api/v1/kill-switches/{order['id']}/confirmation/"
    body = {"means": "All denied.", "effective_at": switch.ordered_at.isoformat()}
    first = runtime.post(path, body)
    assert first.status_code == 201
    assert first.json()["state"] == "confirmed"
    again = runtime.post(path, {"means": "Other words."})
    assert again.status_code == 200
    assert again.json()["confirmation"]["means"] == "All denied."


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        ("machine", TokenScope.READ),
        ("machine", TokenScope.EVIDENCE_WRITE),
        ("auditor", TokenScope.POLICY_WRITE),
    ],
)
def test_confirming_needs_scope_and_permission(
    switch: KillSwitch, role: str, scope: str, request: pytest.FixtureRequest
) -> None:
    client = make_client(request.getfixturevalue(role), scope)
    path = f"/api/v1/kill-switches/{switch.pk}/confirmation/"
    assert client.post(path, {"means": "m"}).status_code == 403
    assert not KillSwitch.objects.filter(confirmation__isnull=False).exists()


def test_a_refusal_is_a_problem_document(
    switch: KillSwitch, runtime: APIClient
) -> None:
    path = f"/api/v1/kill-switches/{switch.pk}/confirmation/"
    answer = runtime.post(path, {"means": "m", "effective_at": "2001-01-01T00:00:00Z"})
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "moment_refused"


def upload(client: APIClient, incident: Incident, data: bytes, **fields: object):
    file = SimpleUploadedFile("settings.json", data)
    body = {"incident": incident.reference, "settings": file, **fields}
    return client.post("/api/v1/policy-snapshots/", body, format="multipart")


def test_a_runtime_sends_its_settings(incident: Incident, runtime: APIClient) -> None:
    answer = upload(runtime, incident, b'{"extensionPolicy": {"profile": "safe"}}')
    assert answer.status_code == 201
    decisions = {
        decision["capability"]: decision["decision"]
        for decision in answer.json()["decisions"]
        if decision["extension"] is None
    }
    assert (decisions["exec"], decisions["read"]) == ("deny", "allow")


def test_a_document_that_cannot_be_read_names_its_path(
    incident: Incident, runtime: APIClient
) -> None:
    answer = upload(runtime, incident, b'{"a": {"b": 1, "b": 2}}')
    assert answer.status_code == 422
    assert answer.json()["code"] == "document_refused"
    assert answer.json()["path"].startswith("$.a")
    assert not EvidenceItem.objects.exists()
    assert not PolicySnapshot.objects.exists()


def test_an_unknown_case_and_a_hidden_one_are_the_same(
    incident: Incident, runtime: APIClient
) -> None:
    file = SimpleUploadedFile("settings.json", b"{}")
    body = {"incident": "SEC-INC-2020-0001", "settings": file}
    answer = runtime.post("/api/v1/policy-snapshots/", body, format="multipart")
    assert answer.status_code == 404


def test_a_snapshot_shows_document_faults_and_decisions(
    incident: Incident, reader: APIClient
) -> None:
    snapshot = take(incident, SAFE | {"apiKey": "sk-" + "a1b2" * 8})
    body = reader.get(f"/api/v1/policy-snapshots/{snapshot.pk}/").json()
    assert body["document"]["apiKey"] == "[REDACTED]"
    assert body["redactions"][0]["path"] == "$.apiKey"
    assert len(body["decisions"]) == 10


def test_a_scans_entries_are_paged_below_it(
    incident: Incident, responder: User, reader: APIClient
) -> None:
    source = make_evidence(
        incident,
        content=b"require('v' + 'm');\neval('1');",
        name="index.js",
        kind="extension_source",
        verified=False,
    )
    report = run_scan(request_id=request_scan(item_id=source.pk, actor=responder).pk)
    path = f"/api/v1/scans/{report.pk}/entries/"
    page = reader.get(path, {"page_size": 1}).json()
    assert len(page["results"]) == 1
    assert page["next"]
    missed = reader.get(path, {"missed": "true"}).json()["results"]
    assert all(entry["form"] for entry in missed)
    assert missed
    sarif = reader.get(f"/api/v1/scans/{report.pk}/sarif/").json()
    assert len(sarif["runs"][0]["results"]) == report.entry_count


def test_lists_cost_the_same_however_long(
    switch: KillSwitch, incident: Incident, responder: User, reader: APIClient
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reader.get("/api/v1/kill-switches/").status_code == 200
        return len(captured)

    cost()
    first = cost()
    for number in range(5):
        activate_kill_switch(
            incident_id=incident.pk,
            extension_pk=make_extension(f"ext.n{number}").pk,
            reason="r",
            actor=responder,
        )
    assert cost() == first


def test_the_schema_describes_it(reader: APIClient, incident: Incident) -> None:
    text = reader.get("/api/v1/schema/").content.decode()
    assert "/api/v1/kill-switches/{id}/confirmation/" in text
    assert "/api/v1/extensions/{id}/trust/" in text

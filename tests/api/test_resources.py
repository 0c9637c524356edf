"""Reading: every resource, for every role and scope, paged, filtered, at one cost."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from evidence.audit.chain import find_chain_faults
from evidence.audit.history import incident_stream
from evidence.models import (
    EvidenceItem,
    Outcome,
    ReplayStep,
    VerificationError,
    VerificationReport,
    VerificationRequest,
    WorkState,
)
from incidents.models import Incident
from tests.api.conftest import make_client
from tests.factories import NOON, make_incident
from tests.incidents.alerts.samples import make_rules, receive_one

pytestmark = [pytest.mark.django_db, pytest.mark.long]
ROOT = "/api/v1/"
LISTS = (
    "incidents/",
    "phases/",
    "playbooks/",
    "playbook-versions/",
    "findings/",
    "alerts/",
    "alert-rules/",
    "evidence/",
    "custody-events/",
    "reports/",
    "audit-entries/",
)
HUMAN_ROLES = ("responder", "reviewer", "auditor", "administrator")


def make_item(incident: Incident, number: int = 1) -> EvidenceItem:
    return EvidenceItem.objects.create(
        incident=incident,
        sha256_hex=f"{number:064x}",
        size_bytes=5,
        kind="bundle",
        original_name=f"bundle-{number}.json",
        media_type="application/json",
        channel="api",
        received_at=NOON,
    )


def make_report(
    item: EvidenceItem, *, steps: int = 0, errors: int = 0, unstored: int = 0
) -> Any:
    moment = timezone.now()
    request = VerificationRequest.objects.create(
        item=item,
        state=WorkState.DONE,
        requested_at=moment,
        touched_at=moment,
        finished_at=moment,
    )
    report = VerificationReport.objects.create(
        request=request,
        item=item,
        outcome=Outcome.FAILED,
        document_kind="bundle",
        started_at=moment,
        finished_at=moment,
        duration_ms=7,
        engine_version="1",
        steps={"bundle_hash": "fail"},
        details={"ledger": {"gaps": []}},
        error_count=errors + unstored,
        step_count=steps,
    )
    VerificationError.objects.bulk_create(
        VerificationError(
            report=report,
            position=i,
            entry_index=i,
            sequence=str(i + 1),
            code="hash_mismatch" if i % 2 else "missing_entries",
            message="expected another hash",
        )
        for i in range(errors)
    )
    ReplayStep.objects.bulk_create(
        ReplayStep(
            report=report,
            index=i,
            sequence=i + 1,
            ts_ms=i,
            extension_id=f"ext.{i % 3}",
            call_id=f"call-{i}",
            trusted=i < 5,
        )
        for i in range(steps)
    )
    return report


def pages(client: APIClient, url: str) -> list[dict[str, Any]]:
    """Return the rows of all pages, in order."""
    rows: list[dict[str, Any]] = []
    address: str | None = url
    while address:
        body = client.get(address).json()
        rows += body["results"]
        address = body["next"]
    return rows


def answers(client: APIClient, method: str = "get") -> dict[str, tuple[int, str]]:
    """Return what each list answers: its status, and the code of a problem."""
    found = {}
    for path in LISTS:
        response = getattr(client, method)(ROOT + path)
        found[path] = (response.status_code, response.json().get("code", ""))
    return found


@pytest.mark.parametrize("role", HUMAN_ROLES)
def test_every_human_role_reads_everything(
    role: str, request: pytest.FixtureRequest
) -> None:
    client = make_client(request.getfixturevalue(role), "read")
    assert set(answers(client).values()) == {(200, "")}


def test_outsider_reads_nothing_whatever_the_scopes(outsider: User) -> None:
    client = make_client(outsider, "read")
    assert set(answers(client).values()) == {(403, "permission_refused")}


@pytest.mark.parametrize("scope", ["alerts:write", "evidence:write", "cases:write"])
def test_scope_to_write_does_not_read(auditor: User, scope: str) -> None:
    client = make_client(auditor, scope)
    assert set(answers(client).values()) == {(403, "scope_missing")}


def test_machine_reads_no_more_than_cases(machine: User) -> None:
    found = answers(make_client(machine, "read"))
    assert [path for path, answer in found.items() if answer[0] == 200] == [
        "incidents/"
    ]


def test_nobody_reads_without_signing_in() -> None:
    assert set(answers(APIClient()).values()) == {(401, "not_authenticated")}


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_lists_take_no_verb_that_changes_rows(responder: User, method: str) -> None:
    found = answers(make_client(responder, "read", "cases:write"), method)
    own = {"evidence/", "alerts/"}  # They have verbs and a scope of their own.
    refused = {answer for path, answer in found.items() if path not in own}
    assert refused == {(405, "method_not_allowed")}


def test_incident_comes_with_phases_clocks_and_extensions(reader: APIClient) -> None:
    case = make_incident(extension_ids=("ext.weather", "ext.mail"))
    response = reader.get(f"{ROOT}incidents/{case.reference}/")
    body = response.json()
    assert response["ETag"].startswith('"1-')
    assert body["extensions"] == ["ext.mail", "ext.weather"]
    assert (body["playbook"], body["playbook_version"]) == ("INC-2", 1)
    phases = body["cycles"][0]["phases"]
    assert [phase["phase"] for phase in phases] == [
        *("detect", "contain", "collect", "verify", "analyze", "remediate"),
        "postmortem",
    ]
    assert phases[1]["due_at"] == "2026-03-10T12:05:00Z"


def test_hidden_and_missing_case_get_the_same_answer(
    reader: APIClient, outsider: User
) -> None:
    case = make_incident()
    stranger = make_client(outsider, "read")
    for reference in (case.reference, "SEC-INC-2026-9999"):
        assert stranger.get(f"{ROOT}incidents/{reference}/").status_code == 403
    missing = reader.get(f"{ROOT}incidents/SEC-INC-2026-9999/").json()
    assert missing["detail"] == "There is nothing here, or nothing that you may see."


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 2),
        ("status=open", 2),
        ("status=closed", 0),
        ("severity=critical", 1),
        ("severity=critical&severity=high", 2),
        ("playbook=INC-6", 1),
        ("extension=ext.weather", 1),
        ("extension=ext.none", 0),
        ("label=urgent", 1),
        ("detected_after=2026-03-10T12:00:00Z", 1),
        ("detected_before=2026-03-10T12:00:00Z", 1),
        ("source=manual", 2),
        ("lead=nobody", 0),
    ],
)
def test_incidents_are_filtered(reader: APIClient, query: str, count: int) -> None:
    make_incident()
    make_incident(
        playbook="INC-6",
        severity="critical",
        extension_ids=("ext.mail",),
        labels=["urgent"],
        detected_at=NOON - dt.timedelta(hours=1),
    )
    assert len(pages(reader, f"{ROOT}incidents/?{query}")) == count


@pytest.mark.parametrize(
    "query",
    [
        "stauts=open",
        "status=ajar",
        "detected_after=yesterday",
        "page_size=0",
        "page_size=501",
        "page_size=x",
        "ordering=labels",
        "ordering=--id",
        "cursor=x",
        "cursor=WyItaWQiLCIxIiwxLDBd" + "A" * 600,
        "cursor=WyItaWQiLCIxIiwtMSwwXQ",
        "cursor=bm90IGpzb24",
        "cursor=W1tbW1tb",
        "page_size=%D9%A3",
    ],
)
def test_parameter_that_cannot_be_used_is_named(reader: APIClient, query: str) -> None:
    response = reader.get(f"{ROOT}incidents/?{query}")
    assert response.status_code == 400
    body = response.json()
    assert body["code"] == "validation_failed"
    assert query.split("=")[0] in {error["field"] for error in body["errors"]}


@pytest.mark.parametrize("name", ["label", "cursor", "extension"])
def test_address_with_a_nul_is_refused_as_a_whole(reader: APIClient, name: str) -> None:
    response = reader.get(f"{ROOT}incidents/?{name}=%00")
    assert response.status_code == 400
    assert response.json()["code"] == "unusable_value"


@pytest.mark.parametrize("ordering", ["id", "-id", "happened_at", "-happened_at"])
def test_pages_hold_every_row_once_whatever_the_ties(
    reader: APIClient, ordering: str
) -> None:
    make_rules()
    for number in range(23):
        # Three moments only: the pages cut through rows that are equal.
        receive_one(f"a{number}", ts_ms=1_773_144_000_001 + number % 3)
    url = f"{ROOT}alerts/?ordering={ordering}&page_size=5"
    rows = pages(reader, url)
    assert len({row["id"] for row in rows}) == len(rows) == 23
    field = ordering.removeprefix("-")
    values = [(row[field], row["id"]) for row in rows]
    assert values == sorted(values, reverse=ordering.startswith("-"))


def test_rows_that_come_in_meanwhile_move_no_page(reader: APIClient) -> None:
    make_rules()
    for number in range(6):
        receive_one(f"a{number}")
    first = reader.get(f"{ROOT}alerts/?page_size=3").json()
    for number in range(6, 12):
        receive_one(f"a{number}")
    second = reader.get(first["next"]).json()
    assert [row["alert_id"] for row in second["results"]] == ["a2", "a1", "a0"]
    assert second["next"] is None


def test_previous_leads_back_to_the_same_page(reader: APIClient) -> None:
    make_rules()
    for number in range(9):
        receive_one(f"a{number}")
    first = reader.get(f"{ROOT}alerts/?page_size=4").json()
    second = reader.get(first["next"]).json()
    third = reader.get(second["next"]).json()
    assert [len(page["results"]) for page in (first, second, third)] == [4, 4, 1]
    back = reader.get(third["previous"]).json()
    assert back["results"] == second["results"]
    start = reader.get(back["previous"]).json()
    assert start["results"] == first["results"]
    assert start["previous"] is None
    assert reader.get(start["next"]).json()["results"] == second["results"]


def test_filters_stay_on_the_next_page(reader: APIClient) -> None:
    make_rules()
    for number in range(4):
        receive_one(f"a{number}", severity="info" if number % 2 else "error")
    rows = pages(reader, f"{ROOT}alerts/?severity=info&severity=error&page_size=1")
    assert len(rows) == 4
    assert len(pages(reader, f"{ROOT}alerts/?severity=info&page_size=1")) == 2


def test_report_lists_errors_and_steps_in_pages(reader: APIClient) -> None:
    report = make_report(make_item(make_incident()), steps=12, errors=4)
    url = f"{ROOT}reports/{report.pk}/"
    assert reader.get(url).json()["details"] == {"ledger": {"gaps": []}}
    assert "details" not in reader.get(f"{ROOT}reports/").json()["results"][0]
    errors = pages(reader, f"{url}errors/?page_size=3")
    assert [error["position"] for error in errors] == [0, 1, 2, 3]
    steps = pages(reader, f"{url}replay-steps/?page_size=5")
    assert [step["index"] for step in steps] == list(range(12))
    found = pages(reader, f"{url}replay-steps/?extension_id=ext.1&trusted=true")
    assert [step["index"] for step in found] == [1, 4]
    assert len(pages(reader, f"{url}errors/?code=hash_mismatch")) == 2


def test_report_says_how_many_errors_are_not_stored(reader: APIClient) -> None:
    report = make_report(make_item(make_incident()), errors=4, unstored=9)
    url = f"{ROOT}reports/{report.pk}/"
    assert reader.get(url).json()["unstored_error_count"] == 9
    assert len(pages(reader, f"{url}errors/")) == 4


def test_parts_of_a_report_that_does_not_exist_are_missing(reader: APIClient) -> None:
    for part in ("errors", "replay-steps"):
        assert reader.get(f"{ROOT}reports/99/{part}/").status_code == 404


def test_evidence_names_its_newest_report(reader: APIClient) -> None:
    item = make_item(make_incident())
    assert reader.get(f"{ROOT}evidence/{item.pk}/").json()["latest_report"] is None
    report = make_report(item)
    body = reader.get(f"{ROOT}evidence/{item.pk}/").json()
    assert body["latest_report"]["id"] == report.pk
    assert body["latest_report"]["outcome"] == "failed"


def test_reading_an_item_is_a_viewing_in_its_chain_of_custody(
    reader: APIClient,
) -> None:
    item = make_item(make_incident())
    for _ in range(2):
        reader.get(f"{ROOT}evidence/{item.pk}/", REMOTE_ADDR="192.0.2.7")
    reader.get(f"{ROOT}evidence/")
    event = item.custody_events.get()
    assert (event.kind, event.channel) == ("viewed", "api")
    assert event.ip_address == "192.0.2.7"
    assert event.actor is not None


def test_history_is_given_out_exactly_as_it_was_hashed(reader: APIClient) -> None:
    make_rules()
    case = receive_one().incident
    receive_one("b")
    stream = incident_stream(case.pk)
    query = f"stream={stream}&ordering=sequence&page_size=1"
    documents = pages(reader, f"{ROOT}audit-entries/?{query}")
    assert [document["sequence"] for document in documents] == [1, 2, 3]
    assert list(find_chain_faults(documents)) == []
    documents[1]["reason"] = "changed"
    faults = {fault.code for fault in find_chain_faults(documents)}
    assert faults == {"hash_mismatch"}


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("action=alerts.received", {"alerts.received"}),
        ("object_type=incidents.incident", {"incident.opened", "alerts.joined"}),
        ("actor_name=system&stream=system&action=playbook.loaded", {"playbook.loaded"}),
        ("recorded_before=2020-01-01T00:00:00Z", set()),
        ("actor_name=nobody", set()),
    ],
)
def test_history_is_queried_by_actor_action_object_and_time(
    reader: APIClient, query: str, actions: set[str]
) -> None:
    make_rules()
    receive_one()
    rows = pages(reader, f"{ROOT}audit-entries/?{query}")
    assert {row["action"] for row in rows} == actions


def count_queries(client: APIClient, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_lists_cost_the_same_however_many_rows(reader: APIClient) -> None:
    make_rules()
    make_more(1)
    reader.get(f"{ROOT}incidents/")
    few = {path: count_queries(reader, ROOT + path) for path in LISTS}
    for number in range(2, 8):
        make_more(number)
    assert {path: count_queries(reader, ROOT + path) for path in LISTS} == few
    assert max(few.values()) == few["incidents/"] <= 14


def make_more(number: int) -> None:
    case = receive_one(f"a{number}", extension_id=f"ext.{number}").incident
    make_report(make_item(case, number))
    make_incident(playbook="INC-6", extension_ids=(f"x.{number}", f"y.{number}"))

"""Posting alerts: one or many, each with its own answer, again without harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.models import TokenScope
from incidents.models import Alert, Incident, Team, TimelineKind
from incidents.services.alerts.waiting import decide_alerts
from tests.api.conftest import make_client
from tests.factories import make_user
from tests.incidents.alerts.samples import alert_document, make_rules
from tests.shared import share

pytestmark = pytest.mark.django_db
URL = "/api/v1/alerts/"
SOURCE = "risk_controller"


_kept, rules, _django_db_helper, evidence_folder = share(make_rules)


def post(client: APIClient, body: Any) -> Any:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.post(URL, data=text, content_type="application/json")


def batch(*alerts: dict[str, Any], source: str = SOURCE) -> dict[str, Any]:
    return {"source": source, "alerts": list(alerts)}


def test_one_alert_is_taken_in(poster: APIClient) -> None:
    response = post(poster, alert_document(source=SOURCE))
    case = Incident.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "result": "accepted",
        "source": SOURCE,
        "alert_id": "alert-1",
        "id": Alert.objects.get().pk,
        "decision": "opened",
        "incident": case.reference,
        "document_sha256": Alert.objects.get().document_sha256,
    }


def test_repeat_gets_the_same_answer(poster: APIClient) -> None:
    first = post(poster, alert_document(source=SOURCE))
    again = post(poster, alert_document(source=SOURCE))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert Alert.objects.count() == 1


def test_answer_stays_the_same_after_the_case_took_others_along(
    poster: APIClient,
) -> None:
    denied = {"category": "policy_violation", "severity": "error", "source": SOURCE}
    first = post(poster, alert_document("a0", **denied)).json()
    for number in range(1, 10):
        post(poster, alert_document(f"a{number}", **denied))
    assert Alert.objects.get(alert_id="a0").incident is not None
    assert post(poster, alert_document("a0", **denied)).json() == first


def test_source_is_no_part_of_the_alert_itself(poster: APIClient) -> None:
    post(poster, alert_document(source=SOURCE))
    response = post(poster, batch(alert_document()))
    assert response.json()["repeated"] == 1
    assert "source" not in Alert.objects.get().document


def test_a_conflict_tells_no_digest_of_a_hidden_case(poster: APIClient) -> None:
    post(poster, alert_document(source=SOURCE))
    changed = alert_document(source=SOURCE, summary="?")
    digest = Alert.objects.get().document_sha256
    assert digest in post(poster, changed).json()["detail"]
    Incident.everything.update(is_restricted=True)
    refused = post(poster, changed)
    assert (refused.status_code, refused.json()["code"]) == (409, "alert_conflict")
    assert digest not in refused.content.decode()


def test_other_content_under_a_known_id_is_a_conflict(poster: APIClient) -> None:
    post(poster, alert_document(source=SOURCE))
    response = post(poster, alert_document(source=SOURCE, summary="?"))
    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "alert_conflict"


def test_layout_of_the_text_makes_no_other_content(poster: APIClient) -> None:
    document = alert_document(source=SOURCE, risk_score=1)
    post(poster, document)
    backwards = dict(reversed(document.items())) | {"risk_score": 1.0}
    assert post(poster, json.dumps(backwards, indent=3)).status_code == 200


def test_each_alert_of_a_batch_has_its_own_result(poster: APIClient) -> None:
    post(poster, batch(alert_document("known"), alert_document("other")))
    response = post(
        poster,
        batch(
            alert_document("new"),
            alert_document("bad", severity="fatal"),
            alert_document("known"),
            alert_document("other", summary="?"),
        ),
    )
    body = response.json()
    assert response.status_code == 207
    assert [result["result"] for result in body["results"]] == [
        "accepted",
        "refused",
        "accepted",
        "conflict",
    ]
    assert {name: body[name] for name in ("created", "repeated")} == {
        "created": 1,
        "repeated": 1,
    }
    assert (body["conflicts"], body["refused"]) == (1, 1)
    assert body["results"][1]["alert_id"] == "bad"
    assert body["results"][1]["problems"][0].startswith("$.severity")


@pytest.mark.parametrize(
    "bad",
    [
        '{"alert_id": "x", "alert_id": "y"}',
        '{"alert_id": "x", "n": 9007199254740993}',
        '{"alert_id": "x", "n": 1' + "0" * 5000 + "}",
        '{"alert_id": "\\ud800"}',
        '{"alert_id": NaN}',
        '{"a":' * 70 + "1" + "}" * 70,
        "[1, 2]",
        "null",
        '"text"',
        "{}",
    ],
)
def test_one_bad_alert_does_not_lose_the_others(poster: APIClient, bad: str) -> None:
    good = json.dumps(alert_document("good"))
    body = f'{{"source": "{SOURCE}", "alerts": [{bad}, {good}, {bad}]}}'
    response = post(poster, body)
    results = [result["result"] for result in response.json()["results"]]
    assert results == ["refused", "accepted", "refused"]
    assert Alert.objects.get().alert_id == "good"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[",
        "[1,]",
        '{"alerts": [}',
        '{"alerts": []}',
        "[]",
        "[] x",
        '{"alerts": [1], "alerts": [2]}',
        '{"alerts": [1], "extra": 1}',
        '{"alerts": [1], "source": 5}',
        '{"alerts": "no"}',
        "nonsense",
        "{1: 2}",
        "[" * 100_000,
        b"\xff\xfe",
        b'{"alerts": ["\xe9"]}',
    ],
)
def test_body_without_a_structure_is_refused_as_a_whole(
    poster: APIClient, body: str | bytes
) -> None:
    response = post(poster, body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert not Alert.objects.exists()


def test_array_of_alerts_is_a_batch(poster: APIClient) -> None:
    alerts = [alert_document(f"a{i}", source="ci_gate") for i in range(3)]
    response = post(poster, alerts)
    assert response.status_code == 207
    assert response.json()["created"] == 3


@pytest.mark.parametrize("source", ["manual", "", "else", None, 5])
def test_source_has_to_be_a_machine(poster: APIClient, source: object) -> None:
    response = post(poster, alert_document(source=source))
    assert response.status_code == 422
    assert "$.source" in response.json()["problems"][0]


def test_thousand_alerts_are_a_batch_and_one_more_is_too_many(
    poster: APIClient,
) -> None:
    alerts = [alert_document(f"a{i}") for i in range(1001)]
    response = post(poster, batch(*alerts))
    assert (response.status_code, response.json()["code"]) == (413, "batch_too_large")
    assert not Alert.objects.exists()
    assert post(poster, batch(*alerts[:1000])).json()["created"] == 1000
    assert Incident.objects.count() == 1


def test_body_that_is_too_large_is_refused(poster: APIClient) -> None:
    response = post(poster, b" " * (8 * 1024 * 1024 + 1))
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


@override_settings(
    API_RATES_PER_MINUTE={"read": 9, "write": 9, "evidence": 9, "alerts": 2}
)
def test_throttle_says_when_to_come_back(poster: APIClient, machine: User) -> None:
    codes = [post(poster, alert_document("a", source=SOURCE)).status_code]
    codes += [post(poster, alert_document("a", source=SOURCE)).status_code]
    response = post(poster, alert_document("b", source=SOURCE))
    assert (codes, response.status_code) == ([201, 200], 429)
    assert 0 < int(response["Retry-After"]) <= 60
    assert response.json()["code"] == "throttled"
    other = make_client(machine, TokenScope.ALERTS_WRITE)
    assert post(other, alert_document("b", source=SOURCE)).status_code == 201


@pytest.mark.parametrize(
    ("role", "scopes", "status"),
    [
        ("machine", ["alerts:write"], 201),
        ("machine", ["read", "evidence:write"], 403),
        ("responder", ["alerts:write"], 403),
        ("reviewer", ["alerts:write"], 403),
        ("auditor", ["alerts:write", "read"], 403),
        ("administrator", ["alerts:write"], 403),
        ("outsider", ["alerts:write"], 403),
    ],
)
def test_only_a_machine_with_the_scope_posts(
    role: str, scopes: list[str], status: int, request: pytest.FixtureRequest
) -> None:
    client = make_client(request.getfixturevalue(role), *scopes)
    assert post(client, alert_document(source=SOURCE)).status_code == status
    assert Alert.objects.exists() == (status == 201)


def test_alert_is_read_with_its_document_and_its_moves(
    poster: APIClient, reader: APIClient
) -> None:
    answer = post(poster, alert_document(source=SOURCE)).json()
    row = reader.get(f"{URL}{answer['id']}/").json()
    assert row["document"] == alert_document()
    assert row["assignments"][0]["kind"] == "opened"
    assert row["incident"] == answer["incident"]
    assert row["received_from"] == "machine"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("category=secret_exposure", {"a", "c"}),
        ("severity=error&severity=info", {"a", "b"}),
        ("extension=ext.other", {"c"}),
        ("has_incident=false", {"b"}),
        ("has_incident=true", {"a", "c"}),
        ("source=ci_gate", {"c"}),
        ("decision=kept", {"b"}),
        ("happened_after=2026-03-10T12:00:00Z", {"a", "b", "c"}),
        ("happened_before=2026-03-10T12:00:00Z", set()),
        ("call_id=call-9", {"b"}),
        ("alert_id=a", {"a"}),
    ],
)
def test_alerts_are_filtered(
    poster: APIClient, reader: APIClient, query: str, found: set[str]
) -> None:
    post(poster, alert_document("a", source=SOURCE))
    quota = {"category": "quota_breach", "severity": "info", "call_id": "call-9"}
    post(poster, alert_document("b", source=SOURCE, **quota))
    other = {"extension_id": "ext.other", "severity": "critical"}
    post(poster, alert_document("c", source="ci_gate", **other))
    rows = reader.get(f"{URL}?{query}").json()["results"]
    assert {row["alert_id"] for row in rows} == found


def test_alerts_of_one_case_are_listed(poster: APIClient, reader: APIClient) -> None:
    answer = post(poster, alert_document("a", source=SOURCE)).json()
    post(poster, alert_document("b", source=SOURCE, extension_id="ext.other"))
    rows = reader.get(f"{URL}?incident={answer['incident']}").json()["results"]
    assert [row["alert_id"] for row in rows] == ["a"]


@pytest.fixture
def bound_poster(machine: User) -> APIClient:
    """A machine that posts alerts, and sees the cases of its own team only."""
    other = make_user(Role.MACHINE, username="bound-machine")
    team = Team.objects.create(name="Apart", sees_only_own_cases=True)
    team.members.add(other)
    return make_client(other, TokenScope.ALERTS_WRITE)


def test_what_becomes_of_an_alert_does_not_depend_on_what_its_sender_sees(
    poster: APIClient, bound_poster: APIClient
) -> None:
    post(poster, alert_document("a0", source=SOURCE))
    case = Incident.objects.get()
    for number in range(1, 4):
        answer = post(bound_poster, alert_document(f"a{number}", source=SOURCE)).json()
        assert (answer["decision"], answer["incident"]) == ("joined", None)
    assert case.alerts.count() == 4
    # One line in ten minutes, as for any sender.
    assert case.timeline.filter(kind=TimelineKind.ALERT).count() == 1


@pytest.mark.parametrize(
    ("severity", "decision", "most"), [("info", "kept", 18), ("error", "joined", 21)]
)
def test_one_alert_costs_few_statements(
    poster: APIClient, severity: str, decision: str, most: int
) -> None:
    members = {"source": SOURCE, "severity": severity}
    for name in ("first", "second"):
        post(poster, alert_document(name, **members))
    with CaptureQueriesContext(connection) as queries:
        answer = post(poster, alert_document("third", **members)).json()
    assert answer["decision"] == decision
    # Django does not know the text of a statement whose plan is kept.
    asked = [query["sql"] or "" for query in queries]
    assert len(asked) <= most, "\n".join(asked)
    assert sum("evidence_apitoken" in sql for sql in asked) == 1
    # Rights are read by such a one, and not by Django's own besides.
    assert not [sql for sql in asked if "auth_permission" in sql]
    # No playbook's document is read, for a version that is known.
    assert not [sql for sql in asked if '"document"' in sql and "SELECT" in sql[:6]]


def prefer(client: APIClient, body: Any, preference: str = "respond-async") -> Any:
    return client.post(
        URL,
        data=json.dumps(body),
        content_type="application/json",
        headers={"Prefer": preference},
    )


def test_sender_that_does_not_wait_is_answered_with_a_link(poster: APIClient) -> None:
    response = prefer(poster, alert_document(source=SOURCE))
    row = Alert.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"{URL}{row.pk}/"
    assert response["Preference-Applied"] == "respond-async"
    assert response.json() == {
        "result": "accepted",
        "source": SOURCE,
        "alert_id": "alert-1",
        "id": row.pk,
        "decision": "waiting",
        "incident": None,
        "document_sha256": row.document_sha256,
    }
    assert row.received_from is not None
    assert not Incident.objects.exists()


def test_link_and_repeat_tell_the_decision_once_there_is_one(
    poster: APIClient, reader: APIClient
) -> None:
    document = alert_document(source=SOURCE)
    first = prefer(poster, document)
    again = prefer(poster, document)
    assert (again.status_code, again["Location"]) == (202, first["Location"])
    assert reader.get(first["Location"]).json()["decision"] == "waiting"
    decide_alerts()
    told = reader.get(first["Location"]).json()
    case = Incident.objects.get()
    assert (told["decision"], told["incident"]) == ("opened", case.reference)
    later = prefer(poster, document)
    assert (later.status_code, later["Location"]) == (200, first["Location"])
    assert later.json()["decision"] == "opened"
    assert post(poster, document).json()["decision"] == "opened"


def test_sender_that_does_not_wait_is_refused_as_any_other(
    poster: APIClient, reader: APIClient
) -> None:
    prefer(poster, alert_document(source=SOURCE))
    other = prefer(poster, alert_document(source=SOURCE, summary="new"))
    broken = prefer(poster, alert_document(source=SOURCE, severity="huge"))
    assert (other.status_code, other.json()["code"]) == (409, "alert_conflict")
    assert (broken.status_code, broken.json()["code"]) == (422, "invalid_alert")
    assert "Preference-Applied" not in broken
    assert prefer(reader, alert_document("b", source=SOURCE)).status_code == 403
    assert prefer(APIClient(), alert_document("b", source=SOURCE)).status_code == 401
    without_right = make_client(make_user(Role.AUDITOR), TokenScope.ALERTS_WRITE)
    assert prefer(without_right, alert_document("b", source=SOURCE)).status_code == 403
    assert Alert.objects.count() == 1


@pytest.mark.parametrize(
    ("preference", "status"),
    [
        ("respond-async", 202),
        ("wait=5, Respond-Async", 202),
        ("respond-async; wait=10", 202),
        ("wait=5", 201),
        ("respond-asynchronously", 201),
    ],
)
def test_preference_is_read_as_rfc_7240_writes_it(
    preference: str, status: int, poster: APIClient
) -> None:
    response = prefer(poster, alert_document(source=SOURCE), preference)
    assert response.status_code == status


def test_batch_is_answered_with_its_decisions_whatever_is_preferred(
    poster: APIClient,
) -> None:
    response = prefer(poster, batch(alert_document("a"), alert_document("b")))
    assert response.status_code == 207
    assert "Preference-Applied" not in response
    assert not Alert.objects.waiting().exists()

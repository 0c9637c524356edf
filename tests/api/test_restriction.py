"""Restricting over the API: the same doors as on the pages, and the same refusals."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from evidence.accounts.access import Role
from evidence.models import AuditEntry, TokenScope
from incidents.models import Incident, LookIn, Notification, Team
from incidents.services.lifecycle.restricting import Readers, restrict_case
from tests.api.conftest import make_client
from tests.factories import make_incident, make_user

pytestmark = pytest.mark.django_db
WORK = (TokenScope.READ, TokenScope.CASES_WRITE, TokenScope.CASES_REVIEW)
WHY = "It concerns somebody of our own."


@pytest.fixture
def case(db: None) -> Incident:
    return make_incident()


def post(person: User, path: str, body: Any, *scopes: TokenScope) -> Any:
    client = make_client(person, *(scopes or WORK))
    return client.post(f"/api/v1/incidents/{path}", body, format="json")


def test_a_case_is_left_to_those_named_and_who_restricted_it(
    case: Incident, responder: User
) -> None:
    ana, other = (make_user(Role.RESPONDER, name) for name in ("ana", "ben"))
    Team.objects.create(name="Runtime")
    body = {"people": [ana.username], "teams": ["Runtime"], "reason": WHY}
    answer = post(responder, f"{case.reference}/restrict/", body)
    assert answer.status_code == 200
    assert answer.json() == {
        "is_restricted": True,
        "people": sorted([ana.username, responder.username]),
        "teams": ["Runtime"],
    }
    path = f"/api/v1/incidents/{case.reference}/"
    seen = [make_client(who, *WORK).get(path).status_code for who in (ana, other)]
    assert seen == [200, 404]
    assert AuditEntry.objects.filter(action="incident.restricted").count() == 1


def test_who_takes_themselves_off_reads_who_is_left(
    case: Incident, responder: User
) -> None:
    ana = make_user(Role.RESPONDER, "ana")
    named = Readers([ana])
    restrict_case(actor=responder, incident_id=case.pk, readers=named, reason=WHY)
    body = {"people": [ana.username], "reason": WHY}
    answer = post(responder, f"{case.reference}/readers/", body)
    assert (answer.status_code, answer.json()["people"]) == (200, [ana.username])
    again = post(responder, f"{case.reference}/readers/", body)
    assert again.status_code == 404


def test_a_reviewer_looks_in_is_told_of_and_lifts(
    case: Incident, responder: User, reviewer: User
) -> None:
    restrict_case(actor=responder, incident_id=case.pk, readers=Readers(), reason=WHY)
    lift = f"{case.reference}/lift-restriction/"
    assert post(reviewer, lift, {"reason": WHY}).status_code == 404
    body = {"reference": case.reference.lower(), "reason": WHY}
    answer = post(reviewer, "look-in/", body)
    assert answer.status_code == 201
    assert answer.json()["reference"] == case.reference
    assert set(answer.json()) == {"reference", "until"}
    told = Notification.objects.filter(recipient=responder)
    assert any("looks into" in row.headline for row in told)
    lifted = post(reviewer, lift, {"reason": WHY})
    assert lifted.json() == {"is_restricted": False, "people": [], "teams": []}


def test_refusals_say_what_is_missing_and_change_nothing(
    case: Incident, responder: User, reviewer: User, auditor: User
) -> None:
    path = case.reference

    def code(person: User, what: str, body: Any, *scopes: TokenScope) -> Any:
        answer = post(person, what, body, *scopes)
        return answer.status_code, answer.json()["code"]

    why = {"reason": WHY}
    assert code(responder, f"{path}/restrict/", {}) == (422, "reason_missing")
    assert code(responder, f"{path}/readers/", why) == (409, "not_restricted")
    assert code(reviewer, f"{path}/lift-restriction/", why) == (409, "not_restricted")
    read_only = code(responder, f"{path}/restrict/", why, TokenScope.READ)
    assert read_only == (403, "scope_missing")
    outsider = {**why, "people": [make_user(None).username]}
    assert code(responder, f"{path}/restrict/", outsider) == (422, "incident_refused")
    seen = {**why, "reference": path}
    assert code(reviewer, "look-in/", seen) == (422, "seen_already")
    nothing = {**why, "reference": "SEC-INC-2026-9999"}
    assert code(reviewer, "look-in/", nothing) == (422, "incident_refused")
    assert code(responder, "look-in/", nothing) == (403, "permission_refused")
    case.refresh_from_db()
    assert not case.is_restricted
    assert not LookIn.objects.exists()
    restrict_case(actor=responder, incident_id=case.pk, readers=Readers(), reason=WHY)
    assert code(responder, f"{path}/restrict/", why) == (409, "restricted_already")
    lift = code(responder, f"{path}/lift-restriction/", why)
    assert lift == (403, "permission_refused")
    assert (
        make_client(auditor, TokenScope.READ)
        .get(f"/api/v1/incidents/{path}/")
        .json()["is_restricted"]
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"people": ["nobody", "none"]}, "nobody, none"),
        ({"people": "ana"}, "list"),
        ({"people": [["ana"]]}, "string"),
        ({"people": ["a\x00"]}, "Null characters"),
        ({"teams": ["nobody"]}, "nobody"),
        ({"people": ["x"] * 201}, "Name 200 at most"),
        ([], "dictionary"),
    ],
)
def test_names_that_nobody_has_are_told_together(
    case: Incident, responder: User, body: Any, said: str
) -> None:
    sent = {**body, "reason": WHY} if isinstance(body, dict) else body
    answer = post(responder, f"{case.reference}/restrict/", sent)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    case.refresh_from_db()
    assert not case.is_restricted

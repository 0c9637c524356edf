"""Who read which case or evidence: noted at once, recorded in batches, shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import Client
from rest_framework.test import APIClient

from config.noted_reads import find_cases, paths_to_case
from evidence.accounts.tokens import create_token
from evidence.audit.history import reads_stream, verify_stream
from evidence.audit.history_checks import check_history
from evidence.audit.reads import noting
from evidence.audit.reads.looking import who_looked
from evidence.audit.reads.noting import Read, note_read, read_notes_health
from evidence.audit.reads.recording import fold_ranges, record_reads
from evidence.errors import HealthWarning
from evidence.models import AuditEntry, NotedRead, ReadKind, RecordedRead, TokenScope
from incidents.models import Alert, ChecklistItem, Incident
from tests.factories import make_evidence, make_incident
from tests.incidents.alerts.samples import make_rules, receive_one

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noting, "_lost_here", 0)


def browse(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def ask_api(person: User, scopes: list[str]) -> tuple[APIClient, Any]:
    token, secret = create_token(
        user=person, name="nightly", scopes=scopes, days=1, actor=None
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client, token


def notes() -> list[tuple[str, str, str, str, list[int]]]:
    rows = NotedRead.objects.order_by("pk")
    return [(row.kind, row.door, row.subject, row.object_id, row.cases) for row in rows]


def test_opening_a_case_is_noted_for_whoever_does_it(
    auditor: User, responder: User
) -> None:
    case = make_incident()
    for person in (auditor, responder):
        page = f"/admin/incidents/incident/{case.pk}/change/"
        assert browse(person).get(page).status_code == 200
    one = ("opened", "page", "incidents.incident", str(case.pk), [case.pk])
    assert notes() == [one, one]
    assert set(NotedRead.objects.values_list("reader__username", flat=True)) == {
        "auditor",
        "responder",
    }


def test_opening_evidence_is_noted_with_its_case(auditor: User) -> None:
    item = make_evidence(make_incident())
    page = f"/admin/evidence/evidenceitem/{item.pk}/change/"
    assert browse(auditor).get(page).status_code == 200
    assert notes() == [
        ("opened", "page", "evidence.evidenceitem", str(item.pk), [item.incident_id])
    ]


def test_token_is_noted_with_what_it_read_and_took(auditor: User) -> None:
    item = make_evidence(make_incident())
    client, token = ask_api(auditor, [TokenScope.READ, TokenScope.EVIDENCE_DOWNLOAD])
    assert client.get(f"/api/v1/evidence/{item.pk}/").status_code == 200
    taken = client.get(f"/api/v1/evidence/{item.pk}/content/")
    assert b"".join(taken.streaming_content)  # type: ignore[attr-defined]
    subject = ("token", "evidence.evidenceitem", str(item.pk), [item.incident_id])
    assert notes() == [("opened", *subject), ("downloaded", *subject)]
    assert {row.token_id for row in NotedRead.objects.all()} == {token.pk}


def test_lists_and_searches_are_noted_with_the_cases_shown_and_the_words(
    auditor: User,
) -> None:
    cases = sorted(make_incident().pk for _ in range(3))
    client = browse(auditor)
    client.get("/admin/incidents/incident/?q=nothing+like+it")
    client.get("/admin/incidents/incident/")
    client.get("/admin/search/?s=SEC")
    api, _ = ask_api(auditor, [TokenScope.READ])
    api.get("/api/v1/incidents/?ordering=id")
    rows = list(NotedRead.objects.order_by("pk"))
    assert [(row.kind, row.words, row.cases) for row in rows] == [
        ("searched", "nothing like it", []),
        ("listed", "", cases),
        ("searched", "SEC", cases),
        ("listed", "ordering=id", cases),
    ]


def test_overviews_are_noted_with_the_cases_that_they_show(responder: User) -> None:
    case = make_incident(lead=responder)
    row = case.cycles.get().checklist.first()
    assert row is not None
    ChecklistItem.objects.filter(pk=row.pk).update(assignee=responder)
    client = browse(responder)
    client.get("/admin/")
    client.get("/admin/incidents/incident/my-items/")
    listed = ("listed", "page", "incidents.incident", "", [case.pk])
    assert notes() == [listed, listed]


def test_stream_is_noted_when_it_begins_and_with_its_cases_when_it_ends(
    auditor: User,
) -> None:
    case = make_incident()
    api, _ = ask_api(auditor, [TokenScope.READ])
    answer: Any = api.get("/api/v1/incidents/?format=ndjson")
    assert [row[4] for row in notes()] == [[]]
    assert json.loads(b"".join(answer.streaming_content))["id"] == case.pk
    assert [row[4] for row in notes()] == [[], [case.pk]]


def test_stream_that_is_broken_off_is_noted_with_what_was_sent(auditor: User) -> None:
    case = make_incident()
    api, _ = ask_api(auditor, [TokenScope.READ])
    answer: Any = api.get("/api/v1/incidents/?format=ndjson")
    next(iter(answer.streaming_content))
    # As the server does where the client is gone; the test's connection stays.
    answer._iterator.close()
    assert notes()[-1][4] == [case.pk]


@pytest.mark.parametrize(
    "address", ["/readyz", "/healthz", "/metrics", "/admin/", "/admin/jsi18n/"]
)
def test_probes_and_what_shows_no_record_are_not_noted(
    auditor: User, address: str
) -> None:
    browse(auditor).get(address)
    assert notes() == []


def test_refused_and_missing_pages_are_not_noted(auditor: User) -> None:
    client = browse(auditor)
    assert client.get("/admin/incidents/incident/999/change/").status_code != 200
    assert client.get("/admin/axes/accessattempt/").status_code == 403
    assert notes() == []


def test_batch_is_recorded_in_a_stream_of_its_own_that_holds(
    auditor: User, responder: User
) -> None:
    case = make_incident()
    page = f"/admin/incidents/incident/{case.pk}/change/"
    for _ in range(3):
        browse(auditor).get(page)
    browse(responder).get(page)
    before = AuditEntry.objects.filter(stream=f"incident:{case.pk}").count()
    assert record_reads() == 4
    assert record_reads() == 0
    assert not NotedRead.objects.exists()
    entries = AuditEntry.objects.filter(stream=reads_stream(case.pk))
    assert {(each.actor_name, each.after["count"]) for each in entries} == {
        ("auditor", 3),
        ("responder", 1),
    }
    assert {each.action for each in entries} == {"reads.opened"}
    assert verify_stream(reads_stream(case.pk)) == []
    assert AuditEntry.objects.filter(stream=f"incident:{case.pk}").count() == before
    records = RecordedRead.objects.filter(incident=case)
    assert {(row.reader.username, row.count) for row in records} == {
        ("auditor", 3),
        ("responder", 1),
    }


def test_lists_are_recorded_with_cases_as_ranges(auditor: User) -> None:
    cases = [make_incident() for _ in range(3)]
    browse(auditor).get("/admin/incidents/incident/")
    record_reads()
    entry = AuditEntry.objects.get(stream="reads")
    keys = sorted(case.pk for case in cases)
    assert entry.after["cases"] == f"{keys[0]}-{keys[-1]}"
    assert entry.after["case_count"] == 3
    assert RecordedRead.objects.get().cases == keys


@pytest.mark.parametrize(
    ("keys", "said"),
    [([], ""), ([4], "4"), ([1, 2, 3, 7, 9, 10], "1-3, 7, 9-10")],
)
def test_ranges_of_keys(keys: list[int], said: str) -> None:
    assert fold_ranges(keys) == said


def test_long_lists_of_ranges_are_cut_and_say_so() -> None:
    said = fold_ranges(list(range(1, 2_001, 2)))
    assert said.endswith("and 800 more ranges")


def test_who_looked_adds_up_what_is_recorded_and_what_is_noted(auditor: User) -> None:
    case = make_incident()
    page = f"/admin/incidents/incident/{case.pk}/change/"
    client = browse(auditor)
    client.get(page)
    record_reads()
    client.get(page)
    client.get("/admin/incidents/incident/")
    looked = {(each.person, each.kind): each.count for each in who_looked(case.pk)}
    assert looked == {("auditor", "Opened"): 2, ("auditor", "Listed"): 1}


def test_history_tab_shows_who_looked_to_whom_may_read_history(
    auditor: User, responder: User
) -> None:
    case = make_incident()
    browse(responder).get(f"/admin/incidents/incident/{case.pk}/change/")
    record_reads()
    page = browse(auditor).get(
        f"/admin/incidents/incident/{case.pk}/change/?tab=history"
    )
    text = page.content.decode()
    assert "Who looked" in text
    assert "responder" in text[text.index("Who looked") :]


def test_api_gives_who_looked_by_case(auditor: User) -> None:
    case, other = make_incident(), make_incident()
    for incident in (case, other):
        browse(auditor).get(f"/admin/incidents/incident/{incident.pk}/change/")
    record_reads()
    api, _ = ask_api(auditor, [TokenScope.READ])
    rows = api.get(f"/api/v1/reads/?incident={case.reference}").json()["results"]
    assert [(row["reader"], row["kind"], row["count"]) for row in rows] == [
        ("auditor", "opened", 1)
    ]


def test_reading_that_cannot_be_noted_is_answered_and_told(
    auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_incident()
    assert read_notes_health() == "every reading is noted"
    with connection.execute_wrapper(_refuse_notes):
        page = browse(auditor).get(f"/admin/incidents/incident/{case.pk}/change/")
    assert page.status_code == 200
    assert notes() == []
    with pytest.raises(HealthWarning, match=r"1 readings .* could not be noted"):
        read_notes_health()
    cache.clear()
    with pytest.raises(HealthWarning):
        read_notes_health()


def _refuse_notes(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
    """Stand for a database that takes no note: full, or out of reach."""
    if "evidence_notedread" in str(sql):
        raise DatabaseError("no room")
    return execute(sql, params, many, context)


def test_hostile_words_are_noted_as_far_as_they_can_be(auditor: User) -> None:
    words = "\x00" + "x" * 5_000
    read = Read(ReadKind.SEARCHED, "search", words=words)
    note_read(read, reader=auditor, token=None, by_api=False)
    assert NotedRead.objects.get().words == "\ufffd" + "x" * 299
    record_reads()


def test_way_from_every_record_of_a_case_to_its_case_is_found() -> None:
    from incidents.api.records import INCIDENT_KINDS

    for kind in INCIDENT_KINDS:
        if kind.incident_lookup:
            assert paths_to_case(kind.model), kind.path
    item = make_evidence(make_incident())
    assert find_cases(type(item), [item.pk]) == [item.incident_id]
    assert find_cases(Incident, [5]) == [5]


def test_a_row_that_moved_is_read_in_the_case_that_it_is_in_now() -> None:
    make_rules()
    alert = receive_one()
    first, now = alert.decided_incident_id, make_incident()
    assert first is not None
    Alert.objects.filter(pk=alert.pk).update(incident=now)
    assert find_cases(Alert, [alert.pk]) == sorted([first, now.pk])


def test_who_may_not_see_a_case_finds_it_in_no_stream_of_reads(
    responder: User, reviewer: User
) -> None:
    """Not by its key in a list that somebody read, nor by the stream of its own."""
    case, plain = make_incident(lead=responder), make_incident()
    browse(reviewer).get("/admin/incidents/incident/?q=nothing-has-these-words")
    Incident.everything.filter(pk=case.pk).update(is_restricted=True)
    browse(responder).get("/admin/incidents/incident/")
    for incident in (case, plain):
        browse(responder).get(f"/admin/incidents/incident/{incident.pk}/change/")
    record_reads()
    check_history(actor=None)
    told = {person.username: told_of_reads(person) for person in (responder, reviewer)}
    listed = f"{case.pk}-{plain.pk}"
    own, lists = reads_stream(case.pk), reads_stream(plain.pk)
    assert told["responder"] == {listed, "", own, lists, "reads"}
    assert told["reviewer"] == {"", lists, "reads"}


def told_of_reads(person: User) -> set[str]:
    """Return the streams of reads that somebody is told of, and the cases in them."""
    api, _ = ask_api(person, [TokenScope.READ])
    entries = api.get("/api/v1/audit-entries/?page_size=100").json()["results"]
    found = {row["stream"] for row in entries if row["stream"].startswith("reads")}
    for path in ("audit-streams", "noted-heads"):
        rows = api.get(f"/api/v1/{path}/?page_size=100").json()["results"]
        found |= {row["stream"] for row in rows if row["stream"].startswith("reads")}
    return found | {row["after"].get("cases", "") for row in entries if row["after"]}

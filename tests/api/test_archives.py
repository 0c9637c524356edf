"""Archives over the API: asked for, followed, judged, and handed out on record."""

import base64
import contextlib
import hashlib

import pytest

from evidence.format import REDACTION_FLAGS
from evidence.models import AuditEntry, TokenScope, WorkState
from evidence.queue.claiming import MAX_ATTEMPTS
from evidence.queue.running import WorkPutBack
from incidents.api.archives import VERDICTS
from incidents.models import CaseArchive
from incidents.services.archives.requests import request_archive, run_archive
from tests.api.conftest import make_client
from tests.evidence.helpers import without_triggers
from tests.factories import make_incident
from tests.incidents.postmortem.cases import make_case

pytestmark = pytest.mark.long

URL = "/api/v1/archives/"
WRITE = (TokenScope.READ, TokenScope.CASES_WRITE)
TAKE = (TokenScope.READ, TokenScope.ARCHIVES)
TAKE_WHOLE = (*TAKE, TokenScope.UNREDACTED)
FULL = dict.fromkeys(REDACTION_FLAGS, True)


@pytest.fixture
def case(db, responder, reviewer):
    return make_case()


def make(case, actor, **how):
    asked = request_archive(incident_id=case.pk, actor=actor, **how)
    return run_archive(archive_id=asked.pk)


def ask(client, case, **body):
    return client.post(URL, {"incident": case.reference, **body}, format="json")


def file_of(archive):
    return f"{URL}{archive.pk}/file/"


def downloads():
    return AuditEntry.objects.filter(action="archive.downloaded")


def test_an_archive_is_asked_for_followed_and_judged(case, reviewer):
    client = make_client(reviewer, *WRITE)
    answer = ask(client, case)
    asked = answer.json()
    assert (answer.status_code, asked["state"], asked["verdict"]) == (
        202,
        "queued",
        None,
    )
    assert (asked["is_redacted"], asked["redaction"]) == (False, None)
    CaseArchive.objects.filter(pk=asked["id"]).update(state="running")
    CaseArchive.objects.filter(pk=asked["id"]).update(progress_percent=40)
    under_way = client.get(f"{URL}{asked['id']}/").json()
    assert (under_way["progress_percent"], under_way["verdict"]) == (40, None)
    made = run_archive(archive_id=asked["id"])
    told = client.get(f"{URL}{asked['id']}/").json()
    assert (told["state"], told["verdict"]) == ("done", "passed")
    assert (told["sha256_hex"], told["size_bytes"]) == (
        made.sha256_hex,
        made.size_bytes,
    )


def test_an_archive_that_was_not_kept_says_why(case, reviewer):
    asked = request_archive(incident_id=case.pk, actor=reviewer)
    first = AuditEntry.objects.filter(stream=f"incident:{case.pk}").last()
    without_triggers(
        "UPDATE evidence_auditentry SET reason = 'other' WHERE id = %s", first.pk
    )
    for _ in range(MAX_ATTEMPTS):
        with contextlib.suppress(WorkPutBack):
            run_archive(archive_id=asked.pk)
    told = make_client(reviewer, *WRITE).get(f"{URL}{asked.pk}/").json()
    assert (told["state"], told["verdict"], told["sha256_hex"]) == (
        "gave_up",
        "not_kept",
        "",
    )
    assert "chain_fault" in told["failure"]


def test_a_redacted_archive_is_asked_for_with_its_flags(case, responder):
    asked = ask(make_client(responder, *WRITE), case, redaction=FULL, deep=True).json()
    assert (asked["is_redacted"], asked["redaction"], asked["deep"]) == (
        True,
        FULL,
        True,
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"redaction": {"redact_everything": True}}, "invalid_redaction"),
        ({"redaction": {"redact_name_hash": "perhaps"}}, "validation_failed"),
        ({"deep": True}, "nothing_redacted"),
        ({"incident": "SEC-INC-2026-9999"}, "not_found"),
        ({"incident": ""}, "validation_failed"),
        ({"incident": "a\x00b"}, "validation_failed"),
    ],
)
def test_what_cannot_be_archived_is_refused_and_nothing_is_kept(
    case, reviewer, body, code
):
    answer = ask(make_client(reviewer, *WRITE), case, **body)
    assert answer.json()["code"] == code
    assert not CaseArchive.objects.exists()


@pytest.mark.parametrize("name", ["machine", "outsider"])
def test_who_may_not_have_archives_made_is_refused(case, request, name):
    answer = ask(make_client(request.getfixturevalue(name), *WRITE), case)
    assert answer.status_code in (403, 404)
    assert not CaseArchive.objects.exists()


def test_a_whole_archive_is_handed_out_as_it_was_kept_and_on_record(case, reviewer):
    archive = make(case, reviewer)
    client = make_client(reviewer, *TAKE_WHOLE)
    answer = client.get(
        file_of(archive), HTTP_ACCEPT="application/zip", REMOTE_ADDR="192.0.2.7"
    )
    data = b"".join(answer.streaming_content)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert hashlib.sha256(data).hexdigest() == archive.sha256_hex
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert answer["Repr-Digest"] == f"sha-256=:{digest}:"
    assert answer["Content-Length"] == str(len(data))
    assert archive.file_name in answer["Content-Disposition"]
    (taken,) = downloads()
    assert taken.actor == reviewer
    assert taken.after == {
        "archive": archive.pk,
        "sha256_hex": archive.sha256_hex,
        "channel": "api",
        "ip_address": "192.0.2.7",
    }


def test_a_head_hands_nothing_out_and_is_not_recorded(case, reviewer):
    archive = make(case, reviewer)
    client = make_client(reviewer, *TAKE_WHOLE)
    answer = client.head(file_of(archive))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["Content-Length"] == str(archive.size_bytes)
    assert not downloads().exists()
    assert make_client(reviewer, *WRITE).head(file_of(archive)).status_code == 403


@pytest.mark.parametrize("scopes", [WRITE, TAKE, (TokenScope.ARCHIVES,)])
def test_a_whole_archive_takes_all_its_scopes(case, reviewer, scopes):
    archive = make(case, reviewer)
    answer = make_client(reviewer, *scopes).get(file_of(archive))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert not downloads().exists()


def test_scopes_do_not_add_to_what_a_person_may_take(case, reviewer, responder):
    whole = make(case, reviewer)
    client = make_client(responder, *TAKE_WHOLE)
    answer = client.get(file_of(whole))
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_refused")
    redacted = make(case, reviewer, redaction=FULL, deep=True)
    taken = make_client(responder, *TAKE).get(file_of(redacted))
    assert b"".join(taken.streaming_content)[:2] == b"PK"


def test_what_is_not_made_has_no_file(case, reviewer):
    archive = request_archive(incident_id=case.pk, actor=reviewer)
    answer = make_client(reviewer, *TAKE_WHOLE).get(file_of(archive))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_made")
    assert answer["Content-Type"] == "application/problem+json"


def test_a_session_takes_no_archive_here(case, client, reviewer):
    archive = make(case, reviewer)
    client.force_login(reviewer)
    answer = client.get(file_of(archive))
    assert (answer.status_code, answer.json()["code"]) == (403, "token_required")
    assert not downloads().exists()


def test_who_sees_no_case_sees_no_archive(case, reviewer, outsider):
    archive = make(case, reviewer)
    client = make_client(outsider, *TAKE_WHOLE)
    assert client.get(f"{URL}{archive.pk}/").status_code in (403, 404)
    assert client.get(file_of(archive)).status_code in (403, 404)


def test_archives_are_listed_and_narrowed(case, reviewer):
    whole, other = make(case, reviewer), make_incident()
    redacted = request_archive(
        incident_id=other.pk, actor=reviewer, redaction=FULL, deep=True
    )
    client = make_client(reviewer, *WRITE)

    def found(query=""):
        return {row["id"] for row in client.get(f"{URL}?{query}").json()["results"]}

    # A case that closes, or is signed, is archived by itself too.
    assert {whole.pk, redacted.pk} <= found()
    assert found(f"incident={other.reference}") == {redacted.pk}
    assert found("is_redacted=true") == {redacted.pk}
    assert found(f"sha256_hex={whole.sha256_hex}") == {whole.pk}
    assert whole.pk in found("state=done")
    assert redacted.pk not in found("state=done")
    assert client.get(f"{URL}?state=lost").status_code == 400


def test_a_list_costs_the_same_for_more_rows(
    case, reviewer, django_assert_max_num_queries
):
    client = make_client(reviewer, *WRITE)
    for _ in range(6):
        request_archive(incident_id=make_incident().pk, actor=reviewer)
    # The first use of a token notes from where it came.
    client.get(URL)
    with django_assert_max_num_queries(8):
        assert len(client.get(URL).json()["results"]) >= 6


def test_states_of_work_all_have_a_verdict_or_wait():
    assert set(WorkState) - set(VERDICTS) == {WorkState.QUEUED, WorkState.RUNNING}

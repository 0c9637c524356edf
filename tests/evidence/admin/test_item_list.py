import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from evidence.models import VerificationRequest
from evidence.services import run_verification
from tests.evidence.helpers import make_ledger, read_vector, receive
from tests.factories import make_incident

pytestmark = pytest.mark.long

LIST = reverse("admin:evidence_evidenceitem_changelist")


@pytest.fixture
def items(db):
    incident = make_incident()
    found = [
        receive(incident.pk, read_vector("plain"), "plain.json"),
        receive(incident.pk, read_vector("tampered-count"), "tampered.json"),
        receive(make_incident().pk, b"log", "runtime.log"),
    ]
    for item in found[:2]:
        run_verification(request_id=item.verification_requests.get().pk)
    return found


def names(response):
    return {item.original_name for item in response.context["cl"].result_list}


def test_list_shows_how_each_item_stands(client, auditor, items):
    client.force_login(auditor)
    content = client.get(LIST).content.decode()
    for label in ("Verified", "Failed verification", "Not verified yet"):
        assert label in content


def test_list_is_filtered_and_searched(client, auditor, items):
    client.force_login(auditor)
    assert names(client.get(LIST, {"integrity": "failed"})) == {"tampered.json"}
    assert names(client.get(LIST, {"integrity": "none"})) == {"runtime.log"}
    assert names(client.get(LIST, {"kind__exact": "log"})) == {"runtime.log"}
    reference = items[0].incident.reference
    assert len(names(client.get(LIST, {"q": reference}))) == 2
    digest = items[2].sha256_hex[:10]
    assert names(client.get(LIST, {"q": digest})) == {"runtime.log"}
    by_case = client.get(LIST, {"incident__id__exact": items[2].incident_id})
    assert names(by_case) == {"runtime.log"}


def test_list_queries_do_not_grow_with_its_length(
    client, auditor, items, django_assert_max_num_queries
):
    client.force_login(auditor)
    for number in range(20):
        receive(items[0].incident_id, make_ledger(number + 1), f"{number}.json")
    # One of them asks for the store's faults.
    with django_assert_max_num_queries(15):
        client.get(LIST)


def test_verify_again_from_the_list(client, responder, auditor, items):
    chosen = {"action": "verify_again", "_selected_action": [items[0].pk, items[1].pk]}
    before = VerificationRequest.objects.count()
    client.force_login(auditor)
    client.post(LIST, chosen)
    assert VerificationRequest.objects.count() == before
    client.force_login(responder)
    response = client.post(LIST, chosen, follow=True)
    assert VerificationRequest.objects.count() == before + 2
    assert "2 verifications are queued" in response.content.decode()


def test_many_are_verified_again_with_one_statement_and_one_task(
    client, responder, django_capture_on_commit_callbacks
):
    incidents = [make_incident().pk, make_incident().pk]
    made = [receive(incidents[n % 2], b"%d" % n, f"{n}.log") for n in range(60)]
    for item in made[1:]:
        run_verification(request_id=item.verification_requests.get().pk)
    client.force_login(responder)
    chosen = {"action": "verify_again", "_selected_action": [item.pk for item in made]}
    with (
        django_capture_on_commit_callbacks() as callbacks,
        CaptureQueriesContext(connection) as queries,
    ):
        response = client.post(LIST, chosen)
    told = " ".join(str(each) for each in get_messages(response.wsgi_request))
    assert "59 verifications are queued. 1 of the chosen" in told
    tables = [q["sql"] for q in queries if "evidence_verificationrequest" in q["sql"]]
    assert sum(sql.startswith("INSERT") for sql in tables) == 1
    assert len(queries) < 60
    (sent,) = [callback.args for callback in callbacks]
    pending = VerificationRequest.objects.filter(state="queued").exclude(item=made[0])
    assert sent == ("evidence.verify_items", [sorted(p.pk for p in pending)])


@pytest.mark.parametrize("person", ["outsider", "machine"])
def test_who_may_not_see_evidence_gets_no_list(client, request, items, person):
    client.force_login(request.getfixturevalue(person))
    assert client.get(LIST).status_code in (302, 403)

import pytest
from django.db import transaction
from django.urls import reverse

from evidence.audit import history_checks
from evidence.audit.history import record_entry
from evidence.models import AuditEntry, HistoryCheck
from tests.evidence.helpers import receive, without_triggers
from tests.factories import make_incident

LIST = reverse("admin:evidence_auditentry_changelist")
CHECKS = reverse("admin:evidence_historycheck_changelist")
CHECK_NOW = reverse("admin:evidence_historycheck_add")


def actions_in(response):
    return {entry.action for entry in response.context["cl"].result_list}


@pytest.fixture
def incident(db, responder):
    found = make_incident()
    receive(found.pk, b"log", "runtime.log", actor=responder)
    return found


def test_history_is_filtered_and_searched(client, auditor, incident):
    client.force_login(auditor)
    stream = f"incident:{incident.pk}"
    both = {"incident.opened", "evidence.received"}
    assert both <= actions_in(client.get(LIST, {"stream": stream}))
    assert actions_in(client.get(LIST, {"action": "evidence."})) == {
        "evidence.received"
    }
    assert actions_in(client.get(LIST, {"actor_name": "responder"})) == {
        "evidence.received"
    }
    assert actions_in(client.get(LIST, {"q": "runtime.log"})) == {"evidence.received"}
    future = {"recorded_at_from_0": "2999-01-01", "recorded_at_from_1": "00:00:00"}
    assert actions_in(client.get(LIST, future)) == set()


def test_entry_links_to_its_object_and_shows_the_change(client, auditor, incident):
    client.force_login(auditor)
    entry = AuditEntry.objects.get(action="evidence.received")
    url = reverse("admin:evidence_auditentry_change", args=[entry.pk])
    content = client.get(url).content.decode()
    item = reverse("admin:evidence_evidenceitem_change", args=[entry.object_id])
    assert f'href="{item}"' in content
    assert entry.entry_hash in content
    assert "&quot;size_bytes&quot;: 3" in content


def test_list_queries_do_not_grow(
    client, auditor, incident, django_assert_max_num_queries
):
    client.force_login(auditor)
    with transaction.atomic():
        for _ in range(60):
            record_entry(action="x.y", actor=auditor, obj=auditor)
    with django_assert_max_num_queries(12):
        client.get(LIST)


def test_chosen_streams_are_verified(client, auditor, incident):
    client.force_login(auditor)
    entry = AuditEntry.objects.get(action="evidence.received")
    chosen = {"action": "verify_streams", "_selected_action": [entry.pk]}
    response = client.post(LIST, chosen, follow=True)
    assert "The history was recomputed" in response.content.decode()
    check = HistoryCheck.objects.get()
    assert (check.stream_count, check.fault_count) == (1, 0)
    assert check.requested_by == auditor


def test_whole_history_is_verified_on_post_only(client, auditor, incident):
    client.force_login(auditor)
    assert "Verify the whole history" in client.get(CHECK_NOW).content.decode()
    assert not HistoryCheck.objects.exists()
    response = client.post(CHECK_NOW, follow=True)
    assert response.redirect_chain[-1][0] == CHECKS
    assert HistoryCheck.objects.get().stream_count >= 2
    assert "Holds" in response.content.decode()


def test_a_check_that_a_worker_goes_on_with_does_not_look_done(
    client, auditor, incident, monkeypatch
):
    monkeypatch.setattr(history_checks, "PART_STREAMS", 1)
    client.force_login(auditor)
    page = client.post(CHECK_NOW, follow=True).content.decode()
    assert "A worker goes on with the others" in page
    assert "Not at its end" in page
    assert "Holds" not in page
    assert "The history was recomputed" not in page


def test_a_broken_history_is_told_without_a_word_of_success(client, auditor, incident):
    change = "UPDATE evidence_auditentry SET reason = 'x' WHERE stream = %s"
    without_triggers(change, f"incident:{incident.pk}")
    client.force_login(auditor)
    response = client.post(CHECK_NOW, follow=True)
    told = [(found.level_tag, str(found)) for found in response.context["messages"]]
    assert [tag for tag, _ in told] == ["error"]
    assert "The history is broken in" in told[0][1]


@pytest.mark.parametrize("model", ["auditentry", "historycheck"])
def test_history_cannot_be_changed_or_deleted(client, administrator, incident, model):
    administrator.is_superuser = True
    administrator.save()
    client.force_login(administrator)
    client.post(CHECK_NOW)
    pk = HistoryCheck.objects.get().pk
    pk = AuditEntry.objects.first().pk if model == "auditentry" else pk
    change = reverse(f"admin:evidence_{model}_change", args=[pk])
    delete = reverse(f"admin:evidence_{model}_delete", args=[pk])
    assert client.get(change).status_code == 200
    assert client.post(change, {"action": "x"}).status_code == 403
    assert client.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("person", ["outsider", "machine"])
@pytest.mark.parametrize("url", [LIST, CHECKS, CHECK_NOW])
def test_who_may_not_see_history_sees_none(client, request, db, person, url):
    client.force_login(request.getfixturevalue(person))
    assert client.get(url).status_code in (302, 403)
    assert client.post(url, {}).status_code in (302, 403, 405)
    assert not HistoryCheck.objects.exists()

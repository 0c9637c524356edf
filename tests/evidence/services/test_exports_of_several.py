"""One export that draws on several items of a case."""

import json

import pytest

from evidence import storage
from evidence.errors import EvidenceError, PermissionRefused
from evidence.format import (
    REDACTION_FLAGS,
    read_document,
    seal_bundle,
    serialize_document,
    verify_document,
)
from evidence.format.ledger import ledger_artifact
from evidence.handling import Tlp
from evidence.models import CustodyKind, ExportRequest, Outcome, TokenScope, WorkState
from evidence.services import request_export, run_export, run_verification
from incidents.services.lifecycle.marks import set_mark
from tests.api.conftest import make_client
from tests.evidence.helpers import read_vector, receive
from tests.factories import make_incident

pytestmark = [pytest.mark.django_db, pytest.mark.long]
FULL = dict.fromkeys(REDACTION_FLAGS, True)
SECTIONS = (
    *("security_alerts", "hostcall_telemetry", "exec_mediation"),
    *("secret_broker", "quota_breaches"),
)


def whole():
    return json.loads(read_vector("redaction.source"))


def part(first, last, *, change=lambda document: None):
    """Return a bundle with a stretch of the ledger, and one with all else in order."""
    document = whole()
    entries = document["risk_ledger"]["entries"][first:last]
    document["risk_ledger"] |= ledger_artifact(entries)
    for name in SECTIONS:
        document[name] = document[name][first:last]
    change(document)
    document["risk_replay"] = None
    return serialize_document(seal_bundle(document))


def receive_parts(incident, *parts):
    return [
        receive(incident.pk, data, f"part-{number}.json")
        for number, data in enumerate(parts)
    ]


def export(items, actor, **options):
    request = request_export(
        item_id=items[0].pk,
        more_items=[item.pk for item in items[1:]],
        filter={},
        redaction=options.pop("redaction", FULL),
        actor=actor,
        **options,
    )
    return run_export(request_id=request.pk)


def document_of(done):
    return read_document(storage.read_verified(done.result.sha256_hex))


def test_one_file_holds_what_several_items_hold_and_is_verified(responder):
    items = receive_parts(make_incident(), part(0, 3), part(2, None))
    done = export(items, responder)
    assert (done.state, done.failure) == (WorkState.DONE, "")
    assert done.report["valid"]
    made = document_of(done)
    sequences = [entry["sequence"] for entry in made["risk_ledger"]["entries"]]
    source = whole()
    assert sequences == [e["sequence"] for e in source["risk_ledger"]["entries"]]
    for name in SECTIONS:
        assert len(made[name]) == len(source[name]), name
    assert verify_document(storage.read_verified(done.result.sha256_hex)).valid
    assert "and-1-more" in done.result.original_name
    assert "and 1 more items" in done.result.source
    for item in items:
        kinds = item.custody_events.values_list("kind", flat=True)
        assert CustodyKind.EXPORTED in list(kinds)


def test_what_stands_in_several_items_is_named(responder):
    items = receive_parts(make_incident(), part(0, 3), part(2, None))
    rows = {
        row["section"]: row for row in export(items, responder).report["in_several"]
    }
    shared = whole()["risk_ledger"]["entries"][2]
    assert rows["risk_ledger"] == {
        "section": "risk_ledger",
        "count": 1,
        "calls": [shared["call_id"]],
    }


def test_the_item_is_verified_against_all_that_it_draws_on(responder):
    items = receive_parts(make_incident(), part(0, 3), part(2, None))
    done = export(items, responder)
    report = run_verification(request_id=done.result.verification_requests.get().pk)
    assert report.outcome == Outcome.VERIFIED
    assert report.details["details"]["redaction"]["source_checked"]


def test_a_value_that_one_item_redacts_may_not_stand_in_the_other(responder):
    secret = whole()["security_alerts"][0]["remediation"]

    def tell(document):
        document["exec_mediation"][-1]["reason"] = f"They said: {secret}"

    items = receive_parts(make_incident(), part(0, 3), part(2, None, change=tell))
    failed = export(items, responder)
    assert failed.state == WorkState.FAILED
    assert failed.report["leaks"]
    assert secret not in failed.failure
    done = export(items, responder, deep=True)
    assert (done.state, done.failure) == (WorkState.DONE, "")


def other_entry(document):
    document["risk_ledger"]["entries"][0]["outcome"] = "failed"


def other_alert(document):
    document["security_alerts"][0]["summary"] = "Another thing."


def other_member(document):
    document["producer"] = "another"


@pytest.mark.parametrize("change", [other_entry, other_alert, other_member])
def test_items_that_contradict_each_other_are_refused_and_say_where(responder, change):
    def named(document):
        document["producer"] = "one"

    parts = part(0, None, change=named), part(0, None, change=change)
    done = export(receive_parts(make_incident(), *parts), responder)
    assert (done.state, done.result) == (WorkState.FAILED, None)
    assert "contradict each other" in done.failure
    assert done.failure.startswith("$.")


def test_items_with_a_hole_between_them_do_not_fit_together(responder):
    done = export(receive_parts(make_incident(), part(0, 1), part(3, None)), responder)
    assert (done.state, done.result) == (WorkState.FAILED, None)
    assert "none of them has by itself" in done.failure


def test_an_export_is_marked_as_strictly_as_the_strictest_item(responder):
    items = receive_parts(make_incident(), part(0, 3), part(2, None))
    case = items[0].incident_id
    set_mark(actor=responder, incident_id=case, tlp="red", item_id=items[1].pk)
    done = export(items, responder)
    assert done.tlp is done.result.tlp is Tlp.RED
    assert "TLP-RED" in done.result.original_name


def test_items_of_another_case_and_what_is_no_bundle_are_refused(responder):
    case = make_incident()
    item, *_ = receive_parts(case, part(0, 3))
    other = receive(make_incident().pk, part(2, None), "other.json")
    log = receive(case.pk, b"a line\n", "runtime.log")
    for wrong, code in ((other, "evidence_refused"), (log, "not_a_bundle")):
        with pytest.raises(EvidenceError) as refused:
            export([item, wrong], responder)
        assert refused.value.code == code
    assert not ExportRequest.objects.exists()


def test_who_may_not_export_unredacted_does_not_of_several_either(responder):
    items = receive_parts(make_incident(), part(0, 3), part(2, None))
    with pytest.raises(PermissionRefused):
        export(items, responder, redaction={})


def test_the_api_draws_on_several_items(responder, outsider):
    items = receive_parts(make_incident(), part(0, 3), part(2, None))
    client = make_client(responder, TokenScope.READ, TokenScope.EVIDENCE_WRITE)
    body = {"item": items[0].pk, "more_items": [items[1].pk], "redaction": FULL}
    asked = client.post("/api/v1/exports/", body, format="json").json()
    assert asked["more_sources"] == [items[1].pk]
    run_export(request_id=asked["id"])
    made = client.get(f"/api/v1/exports/{asked['id']}/").json()
    assert made["in_several"][0]["section"] == "risk_ledger"
    missing = {**body, "more_items": [items[1].pk + 1000]}
    answer = client.post("/api/v1/exports/", missing, format="json")
    assert answer.status_code == 404


def test_the_form_offers_the_bundles_of_the_case(client, responder):
    items = receive_parts(make_incident(), part(0, 3), part(2, None))
    client.force_login(responder)
    page = f"/admin/evidence/evidenceitem/{items[0].pk}/change/"
    assert "part-1.json" in client.get(f"{page}?view=exports").content.decode()
    client.post(
        f"/admin/evidence/evidenceitem/{items[0].pk}/export/",
        {"redaction": "full", "more_items": [items[1].pk], "zone": "UTC"},
    )
    asked = ExportRequest.objects.get()
    assert asked.more_sources == [items[1].pk]
    run_export(request_id=asked.pk)
    shown = client.get(f"{page}?view=exports").content.decode()
    assert "Stands in several of its items" in shown
    assert "<strong>External</strong>" in shown

"""Bundles are read once after verification: who appears, what was exceeded."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evidence.accounts.access import Role
from evidence.models import EvidenceItem, EvidenceKind, WorkState
from evidence.simulation import simulate_document
from incidents.models import Incident
from policy.models import BundleReading, Extension, ExtensionAppearance, QuotaBreach
from policy.services.quotas import summarise_stored_breaches
from policy.services.readings import run_reading, take_up_evidence
from tests.factories import make_evidence, make_incident, make_user


def bundle(calls: int = 120, scenario: str = "inc-6", seed: int = 1) -> dict[str, Any]:
    return simulate_document(calls=calls, seed=seed, scenario=scenario)


def attach(incident: Incident, document: dict[str, Any]) -> EvidenceItem:
    return make_evidence(
        incident,
        content=json.dumps(document).encode(),
        name="bundle.json",
        kind=EvidenceKind.BUNDLE,
    )


def read(item: EvidenceItem) -> BundleReading:
    take_up_evidence()
    reading = run_reading(reading_id=item.policy_readings.get().pk)
    assert reading is not None
    return reading


def test_extensions_are_made_on_first_mention_by_a_bundle(incident: Incident) -> None:
    document = bundle()
    item = attach(incident, document)
    reading = read(item)
    named = {entry["extension_id"] for entry in document["risk_ledger"]["entries"]}
    appearing = Extension.objects.filter(appearances__item=item)
    assert named <= set(appearing.values_list("extension_id", flat=True))
    assert reading.extension_count == appearing.count()
    appearance = ExtensionAppearance.objects.filter(item=item).first()
    assert appearance.call_count == appearance.plot["point_count"]
    assert appearance.first_at <= appearance.last_at


def test_breaches_become_rows_with_limit_actual_and_time(incident: Incident) -> None:
    document = bundle()
    item = attach(incident, document)
    read(item)
    assert QuotaBreach.objects.filter(item=item).count() == len(
        document["quota_breaches"]
    )
    first = document["quota_breaches"][0]
    row = QuotaBreach.objects.get(item=item, position=0)
    assert (row.limit, row.actual) == (first["limit"], first["actual"])
    (figures, *_) = summarise_stored_breaches(row.extension)
    assert figures.count >= 1
    assert figures.worst_ratio is None or figures.worst_ratio > 1
    assert figures.duration == figures.last_at - figures.first_at


def test_a_breach_in_two_bundles_counts_once(incident: Incident) -> None:
    document = bundle()
    read(attach(incident, document))
    extension = QuotaBreach.objects.first().extension
    before = summarise_stored_breaches(extension)
    read(attach(make_incident(), document | {"generated_at_ms": 1}))
    assert summarise_stored_breaches(extension) == before


def test_reading_twice_leaves_one_set_of_rows(incident: Incident) -> None:
    item = attach(incident, bundle())
    first = read(item)
    breaches = QuotaBreach.objects.count()
    assert take_up_evidence() == 0
    assert run_reading(reading_id=first.pk).finished_at == first.finished_at
    assert QuotaBreach.objects.count() == breaches


def test_what_is_not_verified_is_not_read(incident: Incident) -> None:
    make_evidence(incident, verified=False)
    assert take_up_evidence() == 0


def test_hostile_records_are_counted_and_stop_nothing(incident: Incident) -> None:
    document = bundle()
    document["quota_breaches"] = [
        {
            "ts_ms": 2**80,
            "extension_id": "x",
            "resource": "m",
            "limit": 1,
            "actual": 2,
        },
        {
            "ts_ms": 1,
            "extension_id": "x\x00y",
            "resource": "m",
            "limit": 1,
            "actual": 2,
        },
        {"ts_ms": 1, "extension_id": "x" * 5000, "resource": "m\x00", "limit": 1},
        {"ts_ms": 1, "extension_id": 7},
        "not a record",
    ]
    reading = read(attach(incident, document))
    assert reading.state == WorkState.DONE
    assert (reading.breach_count, reading.unreadable_count) == (1, 4)
    assert Extension.objects.filter(extension_id="x\ufffdy").exists()


def test_a_bundle_that_ends_workers_ends_as_failed(incident: Incident) -> None:
    item = attach(incident, bundle())
    take_up_evidence()
    BundleReading.objects.filter(item=item).update(attempts=3)
    reading = run_reading(reading_id=item.policy_readings.get().pk)
    assert reading.state == WorkState.GAVE_UP
    assert "3 workers" in reading.failure


def test_a_reading_that_gave_up_is_shown_and_asked_for_again(
    incident: Incident, client: Client, responder: User
) -> None:
    item = attach(incident, bundle())
    take_up_evidence()
    BundleReading.objects.filter(item=item).update(attempts=3)
    run_reading(reading_id=item.policy_readings.get().pk)
    assert take_up_evidence() == 0
    client.force_login(responder)
    listed = reverse("admin:policy_scanreport_changelist")
    assert "3 workers ended" in client.get(listed).content.decode()
    again = reverse("admin:policy_scanreport_read_again", args=[item.pk])
    for _ in range(2):
        client.post(again)
    assert item.policy_readings.count() == 2
    reading = run_reading(reading_id=item.policy_readings.first().pk)
    assert reading is not None
    assert reading.state == WorkState.DONE
    client.post(again)
    assert item.policy_readings.count() == 2
    assert "3 workers ended" not in client.get(listed).content.decode()


def test_bundle_that_failed_proves_no_breach_and_draws_no_risk(
    incident: Incident, client: Client
) -> None:
    document = bundle()
    broken = json.loads(json.dumps(document))
    broken["risk_ledger"]["entries"][3]["risk_score"] = 0.999
    failed = attach(incident, broken)
    read(failed)
    named = QuotaBreach.objects.filter(item=failed).first()
    assert named is not None
    assert summarise_stored_breaches(named.extension) == []
    page = extension_page(client, named.extension)
    assert "Not drawn: 1 bundle that failed verification" in page
    assert "in bundles that failed verification" in page
    assert "Risk score over time" not in page
    whole = attach(incident, document)
    read(whole)
    counted = summarise_stored_breaches(named.extension)
    assert sum(figures.count for figures in counted) > 0
    assert "Risk score over time" in extension_page(client, named.extension)


def extension_page(client: Client, extension: Extension) -> str:
    client.force_login(make_user(Role.REVIEWER))
    url = reverse("admin:policy_extension_change", args=[extension.pk])
    return client.get(url).content.decode()

"""Bundle, settings, explanation and record sent in one go: each is recognised."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from evidence.models import EvidenceItem, EvidenceKind
from evidence.services.downloads import load_bytes
from incidents.models import Incident
from policy.models import PolicySnapshot, RuntimeHistoryImport
from policy.rules.explanation import parse_explanation
from policy.rules.settings_document import parse_settings
from tests.evidence.helpers import make_ledger, read_vector
from tests.factories import make_user
from tests.policy.explaining import explain_settings
from tests.policy.samples import PERMISSIVE, SAFE
from tests.work import count_calls

UPLOAD = reverse("admin:evidence_evidenceitem_upload")
TOKEN = "sk-ant-" + "a1b2c3d4" * 4
RECORD = {
    "extension": "ext.weather",
    "from": "trusted",
    "to": "quarantined",
    "reason": "it read a secret",
    "operator": "rosa",
    "acknowledged": True,
    "time": "2026-03-01T12:00:00Z",
}


def file_of(content: Any, name: str) -> SimpleUploadedFile:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return SimpleUploadedFile(name, data)


def send(
    client: Client, incident: Incident, *files: SimpleUploadedFile, **fields: Any
) -> list[dict[str, str]]:
    """Send files as the page's script does; return what is said of each."""
    data = {"incident": incident.pk, "file": list(files), **fields}
    answer = client.post(UPLOAD, data, headers={"Accept": "application/json"})
    return list(answer.json()["files"])


@pytest.fixture
def rosa(client: Client, responder: User) -> Client:
    client.force_login(responder)
    return client


def test_bundle_settings_and_explanation_are_one_snapshot_and_one_bundle(
    rosa: Client, incident: Incident
) -> None:
    said = send(
        rosa,
        incident,
        file_of(explain_settings(SAFE), "why.json"),
        file_of(read_vector("plain"), "what-happened.json"),
        file_of(SAFE, "old.json"),
    )
    snapshot = PolicySnapshot.objects.get()
    assert snapshot.incident == incident
    assert snapshot.settings_item.original_name == "old.json"
    assert snapshot.explanation_item is not None
    assert snapshot.explanation_item.original_name == "why.json"
    assert [line["message"].split(" is ")[0] for line in said] == [
        "why.json",
        "what-happened.json",
        "old.json",
    ]
    assert "policy explanation of that snapshot" in said[0]["message"]
    assert "received as Incident evidence bundle" in said[1]["message"]
    assert "policy snapshot, with why.json" in said[2]["message"]
    page = reverse("admin:policy_policysnapshot_change", args=[snapshot.pk])
    assert said[2]["url"] == page
    kinds = sorted(incident.evidence_items.values_list("kind", flat=True))
    assert kinds == ["bundle", "policy_explanation", "policy_snapshot"]


def test_without_a_script_each_file_has_its_line_and_the_case_follows(
    rosa: Client, incident: Incident
) -> None:
    files = [file_of(SAFE, "settings.json"), file_of(make_ledger(3), "l.json")]
    answer = rosa.post(UPLOAD, {"incident": incident.pk, "file": files}, follow=True)
    said = [str(message) for message in answer.context["messages"]]
    assert "settings.json is taken as the policy snapshot" in said[0]
    assert "l.json is received as" in said[1]
    case = reverse("admin:incidents_incident_change", args=[incident.pk])
    assert answer.request["PATH_INFO"] == case


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress])
def test_secrets_of_settings_are_never_stored_from_this_door_either(
    rosa: Client, incident: Incident, pack: Any
) -> None:
    secret = json.dumps(SAFE | {"note": f"use {TOKEN}"}).encode()
    (line,) = send(rosa, incident, file_of(pack(secret), "settings.json"))
    assert "1 secret was taken out" in line["message"]
    for item in EvidenceItem.objects.all():
        assert TOKEN.encode() not in load_bytes(item)


def test_an_explanation_by_itself_is_kept_redacted_and_makes_no_snapshot(
    rosa: Client, incident: Incident
) -> None:
    explanation = explain_settings(SAFE, guidance=f"use {TOKEN}")
    (line,) = send(rosa, incident, file_of(explanation, "explanation.json"))
    assert "no snapshot was taken: send both together" in line["message"]
    item = EvidenceItem.objects.get()
    assert item.kind == EvidenceKind.POLICY_EXPLANATION
    assert TOKEN.encode() not in load_bytes(item)
    assert not PolicySnapshot.objects.exists()


DEEP = b'{"extensionPolicy": {"profile": "safe", "profile": "permissive"}}'


def test_of_a_pair_neither_is_kept_where_one_cannot_be_read(
    rosa: Client, incident: Incident
) -> None:
    said = send(
        rosa,
        incident,
        file_of(DEEP, "settings.json"),
        file_of(explain_settings(SAFE), "explanation.json"),
        file_of(make_ledger(3), "l.json"),
    )
    assert said[0]["refused"].startswith("settings.json was refused")
    assert "explanation.json was not taken: settings.json" in said[1]["refused"]
    assert "Send both again, together." in said[1]["refused"]
    assert "l.json is received" in said[2]["message"]
    assert [item.kind for item in EvidenceItem.objects.all()] == ["ledger"]


def test_both_of_a_pair_that_cannot_be_read_are_told_why(
    rosa: Client, incident: Incident
) -> None:
    broken = b'{"capability_decisions": [], "capability_decisions": []}'
    said = send(
        rosa, incident, file_of(broken, "why.json"), file_of(DEEP, "settings.json")
    )
    assert [line["refused"].split(" was ")[1][:7] for line in said] == ["refused"] * 2
    assert not EvidenceItem.objects.exists()


def test_each_of_a_pair_is_read_once(rosa: Client, incident: Incident) -> None:
    pair = (
        file_of(SAFE, "settings.json"),
        file_of(explain_settings(SAFE), "why.json"),
    )
    with count_calls(parse_settings, parse_explanation) as read:
        send(rosa, incident, *pair)
    assert PolicySnapshot.objects.exists()
    assert read == {"parse_settings": 1, "parse_explanation": 1}


def test_which_settings_an_explanation_is_of_is_never_guessed(
    rosa: Client, incident: Incident
) -> None:
    said = send(
        rosa,
        incident,
        file_of(SAFE, "before.json"),
        file_of(PERMISSIVE, "after.json"),
        file_of(explain_settings(SAFE), "why.json"),
    )
    assert PolicySnapshot.objects.filter(explanation_item=None).count() == 2
    assert "it came with 2 settings files" in said[2]["refused"]


@pytest.mark.parametrize(
    "lines",
    [
        [RECORD],
        [RECORD, RECORD | {"time": 1_772_366_400_000}],
        [{"activated": True, "extension_id": "x", "ts_ms": 1_772_366_400_000}],
        [{"event": "kill_switch_activated", "time": 1_772_366_400_000}],
    ],
)
def test_the_runtimes_record_is_replayed(
    rosa: Client, incident: Incident, lines: list[dict[str, Any]]
) -> None:
    data = "\n".join(json.dumps(line) for line in lines).encode()
    (line,) = send(rosa, incident, file_of(data, "whatever.txt"))
    assert f"the runtime's record: {len(lines)} records replayed" in line["message"]
    row = RuntimeHistoryImport.objects.get()
    assert line["url"].endswith(f"/{row.pk}/change/")
    (again,) = send(rosa, incident, file_of(data, "whatever.txt"))
    assert "taken in already" in again["refused"]


@pytest.mark.parametrize(
    "entry",
    [
        {"extension_id": "x", "ts_ms": 1, "kind": "hostcall"},
        {"time": 1, "from": "a"},
        {"extension": "x", "from": "a", "to": "b"},
        {"message": "kill_switch_activated", "time": 1},
    ],
)
def test_a_log_that_only_resembles_the_record_stays_a_log(
    rosa: Client, incident: Incident, entry: dict[str, Any]
) -> None:
    data = f"{json.dumps(entry)}\n{json.dumps(entry)}".encode()
    (line,) = send(rosa, incident, file_of(data, "calls.jsonl"))
    assert "is received as Log" in line["message"]
    assert not RuntimeHistoryImport.objects.exists()


def test_a_kind_that_is_chosen_is_held_to(rosa: Client, incident: Incident) -> None:
    (line,) = send(rosa, incident, file_of(SAFE, "notes.json"), kind="other")
    assert "is received as Other" in line["message"]
    assert not PolicySnapshot.objects.exists()


def test_who_may_send_evidence_and_take_no_snapshot_is_refused_the_settings_only(
    client: Client, incident: Incident
) -> None:
    helper = make_user(None, "helper")
    rights = ("view_incident", "add_evidenceitem", "view_evidenceitem")
    helper.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(helper)
    said = send(
        client, incident, file_of(SAFE, "settings.json"), file_of(b"x", "x.log")
    )
    assert "may not do this" in said[0]["refused"]
    assert "is received" in said[1]["message"]
    assert not PolicySnapshot.objects.exists()

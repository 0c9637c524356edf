"""INC-2: which variables passed the broker, under which name, by which path."""

from __future__ import annotations

from typing import Any

import pytest

from incidents.findings import Finding, FindingSeverity, find_secret_exposure
from policy.rules.secrets import SecretBrokerPolicy, hash_name
from tests.incidents.findings.bundles import by_key, load_vector, make_bundle


def make_record(name: str = "DATABASE_URL", **members: Any) -> dict[str, Any]:
    record = {
        "extension_id": "node-tools",
        "call_id": "call-1",
        "name_hash": hash_name(name),
        "exposure_path": "exec",
        "redacted": False,
        "reason": "not_secret",
    }
    return {**record, **members}


def ask(*records: dict[str, Any], **facts: Any) -> dict[str, Finding]:
    return by_key(
        find_secret_exposure(make_bundle(secret_broker=list(records)), **facts)
    )


def test_listed_name_that_passed_is_critical_and_named() -> None:
    found = ask(make_record("HOME"), make_record())["secret-exposed"]
    assert found.severity is FindingSeverity.CRITICAL
    assert found.evidence_refs == ("$.secret_broker[1]",)
    assert found.detail == "DATABASE_URL to node-tools by exec"


@pytest.mark.parametrize("redacted", [True, None, "false"])
def test_only_what_was_not_redacted_is_an_exposure(redacted: object) -> None:
    found = ask(make_record(redacted=redacted))
    assert "secret-exposed" not in found
    assert found["no-exposure"].severity is FindingSeverity.INFO


def test_disclosure_on_purpose_is_told_apart() -> None:
    found = ask(make_record(reason="allowlisted"))
    assert found["allowlisted-disclosure"].severity is FindingSeverity.ERROR
    assert "secret-exposed" not in found


def test_allowlist_of_the_snapshot_counts_whatever_the_record_says() -> None:
    broker = SecretBrokerPolicy(disclosure_allowlist=frozenset({"DATABASE_URL"}))
    found = ask(make_record(), broker=broker)
    assert "allowlisted-disclosure" in found
    assert "in disclosure_allowlist" in found["blocklist-coverage"].detail


def test_unknown_name_the_broker_took_for_no_secret_is_information() -> None:
    found = ask(make_record("SHELL"))
    assert found["not-a-secret"].severity is FindingSeverity.INFO
    assert "name hash" in found["not-a-secret"].detail
    assert "no-exposure" in found


def test_name_that_passed_for_no_known_reason_is_an_error() -> None:
    found = ask(make_record("SHELL", reason="secret_pattern"))
    assert found["unexplained-disclosure"].severity is FindingSeverity.ERROR


def test_names_of_the_case_are_known_too() -> None:
    name = "ACME_INTERNAL_SECRET"
    found = ask(make_record(name), names_by_hash={hash_name(name): name})
    assert "ACME_INTERNAL_SECRET to node-tools" in found["secret-exposed"].detail


def test_redacted_name_is_said_to_be_redacted() -> None:
    found = ask(make_record(name_hash="[REDACTED]", reason="allowlisted"))
    assert "name is redacted" in found["allowlisted-disclosure"].detail


def test_paths_are_counted_most_used_first() -> None:
    found = ask(
        make_record(exposure_path="http"),
        make_record(exposure_path="env.read"),
        make_record(exposure_path="env.read"),
        make_record("SHELL", exposure_path="exec"),
    )["exposure-paths"]
    assert found.detail == "env.read: 2, http: 1"
    assert found.count == 3
    assert found.playbook_item == "examine-exposure-path"


class TestBroker:
    def test_disabled_broker_is_critical(self) -> None:
        found = ask(make_record(), broker=SecretBrokerPolicy(enabled=False))
        assert found["broker-disabled"].severity is FindingSeverity.CRITICAL

    def test_enabled_broker_is_an_answer(self) -> None:
        found = ask(broker=SecretBrokerPolicy())
        assert found["broker-enabled"].playbook_item == "verify-broker-enabled"

    def test_name_that_the_blocklist_does_not_cover_is_told(self) -> None:
        broker = SecretBrokerPolicy(exact_names=frozenset(), suffixes=frozenset())
        name = "DATABASE_URL"
        found = ask(
            make_record(reason="secret_pattern"),
            names_by_hash={hash_name(name): name},
            broker=broker,
        )
        assert found["blocklist-coverage"].title.startswith("0 of 1 exposed names")
        assert "does not match the blocklist" in found["blocklist-coverage"].detail


def test_vector_exposes_what_its_alerts_are_about() -> None:
    document, _ = load_vector("plain")
    found = by_key(find_secret_exposure(document))
    exposed = found["allowlisted-disclosure"]
    indexes = [int(path.split("[")[1][:-1]) for path in exposed.evidence_refs]
    calls = {document["secret_broker"][index]["call_id"] for index in indexes}
    assert calls == {
        alert["call_id"]
        for alert in document["security_alerts"]
        if alert["category"] == "secret_exposure"
    }
    for name in ("DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"):
        assert name in exposed.detail
    assert found["not-a-secret"].count == 12

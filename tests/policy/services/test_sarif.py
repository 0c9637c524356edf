"""A stored scan as SARIF 2.1.0: by its page, the API and a command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from incidents.models import Incident
from policy.models import ScanReport
from policy.services.sarif import sarif_of
from tests.policy.services.test_scans import scan, source

EVASIVE = b"const p = 'child_' + 'process';\nrequire(p).exec('id');\nrequire('fs');\n"


@pytest.fixture
def report(incident: Incident, responder: User) -> ScanReport:
    return scan(source(incident, EVASIVE, "a b#1.js"), responder)


def results(log: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = log["runs"][0]["results"]
    return found


def test_each_entry_is_a_result_at_its_place(report: ScanReport) -> None:
    log = sarif_of(report)
    assert log["version"] == "2.1.0"
    assert log["runs"][0]["properties"]["tlp"] == "TLP:AMBER"
    assert len(results(log)) == report.entry_count
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    for result in results(log):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "a%20b%231.js"
        assert place["region"]["startLine"] >= 1
        assert place["region"]["startColumn"] >= 1
        assert result["message"]["text"]


def test_levels_follow_the_classification(report: ScanReport) -> None:
    said = {
        (r["properties"]["classification"], r["kind"], r["level"])
        for r in results(sarif_of(report))
    }
    assert said == {("forbidden", "fail", "error"), ("safe", "pass", "none")}


def test_what_the_line_scanner_missed_goes_along(report: ScanReport) -> None:
    bad = next(r for r in results(sarif_of(report)) if r["level"] == "error")
    assert bad["properties"]["missedByLineScanner"]
    assert bad["properties"]["suggestedPattern"]
    assert bad["properties"]["regressionTestIdea"]


def test_the_way_of_a_value_is_a_code_flow(report: ScanReport) -> None:
    bad = next(r for r in results(sarif_of(report)) if r["level"] == "error")
    ((thread,),) = [flow["threadFlows"] for flow in bad["codeFlows"]]
    (location,) = [place["location"] for place in thread["locations"]]
    assert location["message"]["text"] == "set"
    assert location["physicalLocation"]["region"]["startLine"] == 1
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "a%20b%231.js"


def test_a_refused_source_is_no_successful_run(
    incident: Incident, responder: User
) -> None:
    report = scan(source(incident, b"PK\x03\x04 no", "ext.zip"), responder)
    invocation = sarif_of(report)["runs"][0]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_the_page_gives_it_only_to_who_sees_the_case(
    report: ScanReport, responder: User, outsider: User, client: Client
) -> None:
    url = reverse("admin:policy_scanreport_sarif", args=[report.pk])
    client.force_login(responder)
    response = client.get(url)
    assert response.status_code == 200
    assert "attachment" in response["Content-Disposition"]
    assert response.json() == sarif_of(report)
    client.force_login(outsider)
    assert client.get(url).status_code in (302, 403, 404)


def test_the_command_writes_a_file_or_says_why_not(
    report: ScanReport, tmp_path: Path
) -> None:
    out = tmp_path / "scan.sarif"
    call_command("export_scan", report.pk, output=out)
    assert json.loads(out.read_text()) == sarif_of(report)
    with pytest.raises(CommandError, match="no scan report"):
        call_command("export_scan", 999_999, output=out)
    with pytest.raises(CommandError, match="could not be written"):
        call_command("export_scan", report.pk, output=tmp_path / "none" / "x")

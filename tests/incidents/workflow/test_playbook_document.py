"""Reading playbooks: what is refused, with which path, and what stays stable."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import incidents.workflow
from incidents.workflow.errors import PlaybookError
from incidents.workflow.phases import Phase
from incidents.workflow.playbook_document import (
    PLAYBOOK_MAX_CHARS,
    parse_playbook,
    read_playbook,
)
from incidents.workflow.playbook_schema import PLAYBOOK_SCHEMA

PHASE = {"target_seconds": 60, "counts_from": "detection", "actions": "Act."}


def make_content(**members: Any) -> dict[str, Any]:
    content = {
        "schema": "casefile.playbook.v1",
        "code": "TEAM-1",
        "title": "A team's own",
        "alert_category": "team_alert",
        "default_severity": "low",
        "summary": "Something of the team's own.",
        "symptoms": ["It shows."],
        "phases": {phase.value: dict(PHASE) for phase in Phase},
        "checklist": [
            {
                "key": "look",
                "kind": "investigation",
                "phase": "analyze",
                "required": True,
                "text": "Look at it.",
            },
            {
                "key": "attach",
                "kind": "artifact",
                "phase": "collect",
                "required": False,
                "text": "Attach the log.",
                "expects": {"evidence_kind": ["log"]},
            },
            {
                "key": "mend",
                "kind": "remediation",
                "phase": "remediate",
                "required": True,
                "text": "Mend it.",
                "choices": [
                    {"key": "one", "text": "One way.", "action": "ticket_filed"}
                ],
            },
        ],
    }
    return {**content, **members}


def refusal(content: object) -> PlaybookError:
    with pytest.raises(PlaybookError) as caught:
        read_playbook(content, name="team-1.yaml")
    return caught.value


def test_a_playbook_of_a_teams_own_is_read() -> None:
    playbook = read_playbook(make_content(), name="team-1.yaml")
    assert playbook.code == "TEAM-1"
    assert playbook.target(Phase.CONTAIN).target_seconds == 60
    assert [item.key for item in playbook.items(Phase.COLLECT)] == ["attach"]
    assert playbook.failed_verification_is_finding is False


def test_error_names_the_file_the_path_and_what_was_expected() -> None:
    content = make_content()
    content["checklist"][2]["kind"] = "guess"
    assert "team-1.yaml: $.checklist[2].kind: expected one of investigation" in str(
        refusal(content)
    )


@pytest.mark.parametrize("name", list(make_content()))
def test_missing_member_is_named(name: str) -> None:
    content = make_content()
    del content[name]
    error = refusal(content)
    assert [p.path for p in error.problems] == [f"$.{name}"]
    assert "missing" in str(error)


@pytest.mark.parametrize("phase", list(Phase))
def test_no_phase_can_be_left_out(phase: Phase) -> None:
    content = make_content()
    del content["phases"][phase]
    assert refusal(content).path == f"$.phases.{phase}"


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (["schema"], "casefile.playbook.v2", "$.schema"),
        (["code"], "inc 1", "$.code"),
        (["code"], "INC-1\n", "$.code"),
        (["code"], 1, "$.code"),
        (["title"], "", "$.title"),
        (["title"], "  ", "$.title"),
        (["alert_category"], "Policy Violation", "$.alert_category"),
        (["default_severity"], "urgent", "$.default_severity"),
        (["symptoms"], [], "$.symptoms"),
        (["symptoms"], "one", "$.symptoms"),
        (
            ["phases", "contain", "target_seconds"],
            -1,
            "$.phases.contain.target_seconds",
        ),
        (
            ["phases", "contain", "target_seconds"],
            True,
            "$.phases.contain.target_seconds",
        ),
        (
            ["phases", "contain", "target_seconds"],
            10**12,
            "$.phases.contain.target_seconds",
        ),
        (["phases", "contain", "counts_from"], "now", "$.phases.contain.counts_from"),
        (["phases", "escalate"], PHASE, "$.phases.escalate"),
        (["checklist"], [], "$.checklist"),
        (["checklist", 0, "key"], "Look", "$.checklist[0].key"),
        (["checklist", 0, "key"], "look\n", "$.checklist[0].key"),
        (["checklist", 0, "key"], "a" * 65, "$.checklist[0].key"),
        (["checklist", 0, "phase"], "ANALYZE", "$.checklist[0].phase"),
        (["checklist", 0, "required"], "yes", "$.checklist[0].required"),
        (["checklist", 0, "owner"], "me", "$.checklist[0].owner"),
        (["checklist", 0, "choices"], [], "$.checklist[0].choices"),
        (
            ["checklist", 0, "expects"],
            {"evidence_kind": ["log"]},
            "$.checklist[0].expects",
        ),
        (["checklist", 1, "expects"], {}, "$.checklist[1].expects"),
        (
            ["checklist", 1, "expects", "evidence_kind"],
            ["photo"],
            "$.checklist[1].expects.evidence_kind[0]",
        ),
        (
            ["checklist", 1, "expects", "bundle_section"],
            "secrets",
            "$.checklist[1].expects.bundle_section",
        ),
        (["checklist", 2, "phase"], "contain", "$.checklist[2].phase"),
        (["checklist", 2, "choices"], [], "$.checklist[2].choices"),
        (
            ["checklist", 2, "choices", 0, "action"],
            "prayed",
            "$.checklist[2].choices[0].action",
        ),
        (
            ["checklist", 2, "choices", 0, "sets_severity"],
            "worst",
            "$.checklist[2].choices[0].sets_severity",
        ),
        (["checklist", 1, "key"], "look", "$.checklist[1].key"),
        (["references"], [{"id": "INV-001"}], "$.references[0].text"),
    ],
)
def test_fault_is_told_by_its_path(path: list[Any], value: object, fault: str) -> None:
    content = make_content()
    place: Any = content
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert fault in [problem.path for problem in refusal(content).problems]


@pytest.mark.parametrize("name", ["expects", "choices"])
def test_artifacts_and_remediations_say_what_they_want(name: str) -> None:
    content = make_content()
    index = {"expects": 1, "choices": 2}[name]
    del content["checklist"][index][name]
    assert refusal(content).path == f"$.checklist[{index}].{name}"


def test_choice_keys_are_unique_in_the_whole_document() -> None:
    content = make_content()
    content["checklist"].append({**content["checklist"][2], "key": "mend-again"})
    error = refusal(content)
    assert error.path == "$.checklist[3].choices[0].key"
    assert "'one' again" in str(error)


def test_every_fault_is_reported_up_to_a_limit() -> None:
    content = make_content(title="", code="?")
    assert [p.path for p in refusal(content).problems] == [
        "$.code",
        "$.title",
        "$.title",
    ]
    content["checklist"] = [{"key": "a"} for _ in range(100)]
    assert len(refusal(content).problems) == 20


@pytest.mark.parametrize("content", [None, [], "text", 7])
def test_anything_but_an_object_is_refused(content: object) -> None:
    assert refusal(content).path == "$"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("code: A\ncode: B\n", "line 2, column 1: duplicate key 'code'"),
        ("phases:\n  a: 1\n  a: 2\n", "line 3, column 3: duplicate key 'a'"),
        ("a: &x [1]\nb: *x\n", "aliases are not read"),
        ("a: {<<: {b: 1}}", "expected a text as key"),
        ("1: a", "expected a text as key"),
        ("- !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: [", "line 1"),
        ("a: 2026-99-01", "not YAML that can be read"),
        ("[" * 50_000, "nested too deeply"),
        ('a: "\\0"', "NUL and lone surrogates"),
        ('a: "\\ud800"', "NUL and lone surrogates"),
        ("\x07", "not YAML that can be read"),
        ("a" * (PLAYBOOK_MAX_CHARS + 1), "expected at most 524288 characters"),
    ],
)
def test_yaml_that_cannot_be_trusted_is_refused(text: str, message: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        parse_playbook(text, file_name="bad.yaml")
    assert str(caught.value).startswith("bad.yaml: $: ")
    assert message in str(caught.value)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,? \n\t0\x00\ud800", max_size=60))
def test_no_text_raises_anything_but_the_family(text: str) -> None:
    with pytest.raises(PlaybookError):
        parse_playbook(text, file_name="any.yaml")


class TestContent:
    def test_reads_back_the_same_playbook(self) -> None:
        playbook = parse_playbook(yaml.safe_dump(make_content()), file_name="a.yaml")
        stored = json.loads(json.dumps(playbook.as_dict()))
        assert read_playbook(stored, name="stored") == playbook

    def test_hash_ignores_layout_and_order(self) -> None:
        content = make_content()
        shuffled = dict(reversed(content.items()))
        texts = (
            yaml.safe_dump(content),
            yaml.safe_dump(shuffled, sort_keys=False, default_flow_style=True),
            "# a comment\n" + yaml.safe_dump(content, indent=8, width=40),
        )
        hashes = {parse_playbook(t, file_name="a.yaml").content_sha256 for t in texts}
        assert len(hashes) == 1
        assert len(hashes.pop()) == 64

    def test_hash_changes_with_any_content(self) -> None:
        original = read_playbook(make_content(), name="a").content_sha256
        for path in (
            ["title"],
            ["checklist", 0, "text"],
            ["phases", "verify", "actions"],
        ):
            content = deepcopy(make_content())
            place: Any = content
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] += "!"
            assert read_playbook(content, name="a").content_sha256 != original

    def test_whole_number_written_as_a_float_is_the_same(self) -> None:
        content = make_content()
        content["phases"]["contain"]["target_seconds"] = 60.0
        playbook = read_playbook(content, name="a")
        same = read_playbook(make_content(), name="a")
        assert playbook.content_sha256 == same.content_sha256
        assert isinstance(playbook.target(Phase.CONTAIN).target_seconds, int)


def test_schema_file_for_editors_is_the_schema() -> None:
    path = Path(incidents.workflow.__file__).parent / "playbook.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == PLAYBOOK_SCHEMA


def test_required_item_that_no_gate_asks_for_is_refused_where_it_is_loaded() -> None:
    content = make_content()
    content["checklist"][0]["phase"] = "detect"
    with pytest.raises(PlaybookError, match=r"\$\.checklist\[0\]\.required: expected"):
        parse_playbook(yaml.safe_dump(content), file_name="team.yaml")
    # A version that was stored before is still read.
    assert read_playbook(content, name="team.yaml").checklist[0].required


def test_the_first_document_loads_no_parser_for_addresses() -> None:
    """It is read under its case's lock, and that parser takes seconds to make."""
    said = subprocess.run(
        [sys.executable, "-c", READS_FIRST_DOCUMENT], capture_output=True, text=True
    )
    assert said.stdout.split() == ["True", "False"], said.stderr


READS_FIRST_DOCUMENT = """
import importlib.util, sys
from incidents.workflow.documents import GRAMMAR_OF_ADDRESSES, DocumentSchema
DocumentSchema({"type": "object"}).find_problems({})
print("jsonschema._format" in sys.modules, GRAMMAR_OF_ADDRESSES in sys.modules)
# Without it the test could not fail; and it can still be had.
assert importlib.util.find_spec(GRAMMAR_OF_ADDRESSES)
"""

"""INC-4: what the source uses and hides, and what it did that it does not show."""

from __future__ import annotations

from typing import Any

import pytest

from tests.incidents.findings.bundles import (
    CLEAR,
    FOUND,
    UNKNOWN,
    ask,
    calls,
    corrupted,
    entry,
    make_bundle,
    redacted,
    verdicts,
    without,
)

USES, MISSED, HIDDEN, UNUSED = (
    "forbidden-uses",
    "missed-by-line-scanner",
    "executed-not-shown",
    "shown-not-executed",
)
PLAIN = "import fs from 'fs';\nexport default (pi) => { fs.readFileSync('x'); };\n"
RAN = make_bundle(
    [entry(1), entry(2, capability="exec", method="exec"), entry(3, capability="read")]
)
ORDINARY = make_bundle([entry(1), entry(2)])


def test_a_plain_source_that_did_what_it_shows_is_clear() -> None:
    answers = ask("INC-4", ORDINARY, source=PLAIN)
    assert set(verdicts(answers).values()) == {CLEAR}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("const c = require('child_process');", "child_process"),
        ("import vm from 'node:vm';", "vm"),
        ("process.binding('fs');", "process.binding"),
        ("process.dlopen(m, 'x');", "process.dlopen"),
    ],
)
def test_forbidden_uses_are_found_by_name_and_place(source: str, words: str) -> None:
    answers = ask("INC-4", ORDINARY, source=source)
    found = answers[USES]
    assert found.verdict is FOUND
    assert words in found.sentence
    assert found.pointers[0].as_dict()["line"] == 1
    assert answers[MISSED].verdict is CLEAR


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("require('child_' + 'process');", "string concatenation"),
        ("require(atob('dm0='));", "base64"),
        ("require('\\x76m');", "escape"),
        ("require(name);", "dynamic module"),
        ("target.__proto__.polluted = 1;", "prototype pollution"),
        ("require(\n'vm'\n);", "line break"),
    ],
)
def test_what_the_line_scanner_misses_is_found_with_its_form(
    source: str, form: str
) -> None:
    found = ask("INC-4", ORDINARY, source=source)[MISSED]
    assert found.verdict is FOUND
    assert form in found.sentence


def test_comments_texts_and_flagged_uses_are_not_forbidden() -> None:
    for source in ("// require('child_process')\nlet a = 1;", "eval('1');"):
        assert ask("INC-4", ORDINARY, source=source)[USES].verdict is CLEAR


def test_executed_capabilities_that_the_source_does_not_show_are_found() -> None:
    answers = ask("INC-4", RAN, source=PLAIN)
    found = answers[HIDDEN]
    assert found.verdict is FOUND
    assert calls(found) == {"call-2"}
    assert "ext executed exec 1 time" in found.sentence
    for shown in ("pi.exec('ls');", "pi.tool('bash', {});", "require('child_process')"):
        assert ask("INC-4", RAN, source=PLAIN + shown)[HIDDEN].verdict is CLEAR


def test_a_hidden_module_does_not_show_what_it_does() -> None:
    source = PLAIN + "const m = 'child_' + 'process'; require(m).exec('id');"
    assert ask("INC-4", RAN, source=source)[HIDDEN].verdict is FOUND


def test_what_is_shown_and_never_executed_is_said() -> None:
    answers = ask("INC-4", ORDINARY, source=PLAIN + "fetch('http://x');")
    assert answers[UNUSED].verdict is CLEAR
    assert "http (ext.js line 3)" in answers[UNUSED].sentence


def test_without_a_source_nothing_is_known() -> None:
    assert set(verdicts(ask("INC-4", RAN)).values()) == {UNKNOWN}


def test_what_is_no_source_is_unknown() -> None:
    answers = ask("INC-4", RAN, source="PK\x03\x04 no archive")
    assert FOUND not in verdicts(answers).values()
    assert answers[USES].verdict is UNKNOWN


def two_extensions(**alert: Any) -> dict[str, Any]:
    entries = [
        entry(1, extension_id="acme.a"),
        entry(2, extension_id="acme.b", capability="exec", method="exec"),
    ]
    return make_bundle(entries, security_alerts=[alert] if alert else [])


def test_whose_source_it_is_has_to_be_told() -> None:
    assert ask("INC-4", two_extensions(), source=PLAIN)[HIDDEN].verdict is UNKNOWN
    alert = {"category": "scanner_bypass", "extension_id": "acme.b"}
    found = ask("INC-4", two_extensions(**alert), source=PLAIN)[HIDDEN]
    assert calls(found) == {"call-2"}
    named = PLAIN + "const name = 'acme.a';"
    assert ask("INC-4", two_extensions(), source=named)[HIDDEN].verdict is CLEAR


def test_untrusted_missing_and_redacted() -> None:
    assert ask("INC-4", corrupted(RAN, 1), source=PLAIN)[HIDDEN].verdict is UNKNOWN
    gone = ask("INC-4", without(RAN, "risk_ledger"), source=PLAIN)
    assert gone[HIDDEN].verdict is UNKNOWN
    assert gone[USES].verdict is CLEAR
    assert calls(ask("INC-4", redacted(RAN), source=PLAIN)[HIDDEN]) == {"call-2"}

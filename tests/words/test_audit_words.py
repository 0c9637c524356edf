"""Every action that a service records has words, and pages show them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evidence.audit.words import ACTIONS, SINGLE_STREAMS, find_stream, say_streams
from tests.evidence.helpers import receive
from tests.factories import make_incident

ROOT = Path(__file__).resolve().parents[2]
RECORDERS = (
    *("record_entry", "record_change", "_record"),
    "record_answer",
)
LIST = reverse("admin:evidence_auditentry_changelist")


@cache
def calls() -> list[tuple[Path, ast.Call, list[ast.expr]]]:
    """Return each call that records, with what may be its action."""
    return [
        (path, node, list(node.args))
        for app in ("evidence", "policy", "incidents", "config")
        for path in sorted((ROOT / app).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _name_of(node) in RECORDERS
    ]


def _name_of(call: ast.Call) -> str:
    return str(getattr(call.func, "id", getattr(call.func, "attr", "")))


def strings(node: ast.AST) -> list[str]:
    return [
        constant.value
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    ]


def written_actions() -> dict[str, str]:
    """Return every text of the code that can be an action, with where it stands."""
    found = {}
    nouns = {action.partition(".")[0] for action in ACTIONS}
    for path, call, positional in calls():
        named = [keyword.value for keyword in call.keywords if keyword.arg == "action"]
        for node in [*named, *positional]:
            for text in strings(node):
                if (
                    text.replace("_", "").replace(".", "").isalpha()
                    and "." in text[1:-1]
                ):
                    found[text] = f"{path}:{call.lineno}"
    for path in (ROOT / "policy/services").glob("*.py"):
        # Some are chosen first and recorded a line later.
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign | ast.Dict):
                for text in strings(node):
                    noun, dot, verb = text.partition(".")
                    if dot and noun in nouns and verb.replace("_", "").isalpha():
                        found[text] = f"{path}:{node.lineno}"
    return found


def test_every_action_that_the_code_records_has_words() -> None:
    written = written_actions()
    assert len(written) > 80
    missing = {text: at for text, at in written.items() if text not in ACTIONS}
    assert not missing


def test_every_stream_of_no_object_has_words_and_is_found_by_them() -> None:
    written = {
        text
        for app in ("evidence", "policy", "incidents", "config")
        for path in (ROOT / app).rglob("*.py")
        for text in re.findall(
            r'^(?:\w+_)?STREAM = "([^"]+)"$', path.read_text(), re.MULTILINE
        )
    }
    assert written == set(SINGLE_STREAMS)
    for name, said in say_streams(SINGLE_STREAMS).items():
        assert said == SINGLE_STREAMS[name]
        assert find_stream(said) == find_stream(name) == name


def test_every_name_for_an_action_belongs_to_one_that_is_recorded() -> None:
    source = "\n".join(
        path.read_text()
        for app in ("evidence", "policy", "incidents")
        for path in (ROOT / app).rglob("*.py")
        if path.name != "words.py" and "migrations" not in path.parts
    )
    assert [action for action in ACTIONS if f'"{action}"' not in source] == []


def test_no_action_is_put_together_where_it_is_recorded() -> None:
    made = [
        f"{path}:{call.lineno}"
        for path, call, _ in calls()
        for keyword in call.keywords
        if keyword.arg == "action" and isinstance(keyword.value, ast.JoinedStr)
    ]
    assert made == []


def test_no_two_actions_have_the_same_words() -> None:
    assert len(set(ACTIONS.values())) == len(ACTIONS)


@pytest.fixture
def page(client: Client, auditor: User, responder: User) -> str:
    case = make_incident()
    receive(case.pk, b"log", "runtime.log", actor=responder)
    client.force_login(auditor)
    return client.get(LIST).content.decode()


def test_history_names_actions_and_streams_in_words(
    page: str, client: Client, auditor: User
) -> None:
    case = make_incident(title="Another")
    page = client.get(LIST).content.decode()
    assert "Case opened" in page
    assert f"Case {case.reference}" in page
    rows = page[page.index("<tbody") : page.rindex("</tbody>")]
    assert "incident.opened" not in rows
    assert f"incident:{case.pk}<" not in rows


def test_one_entry_is_in_words_and_keeps_what_is_hashed(
    page: str, client: Client
) -> None:
    from evidence.models import AuditEntry

    entry = AuditEntry.objects.get(action="evidence.received")
    page = client.get(reverse("admin:evidence_auditentry_change", args=[entry.pk]))
    text = page.content.decode()
    assert "Evidence received" in text
    assert "Evidence item" in text
    assert "Chain, as it is hashed" in text
    assert entry.stream in text


@pytest.mark.parametrize(
    "words", ["Evidence received", "evidence received", "evidence.received"]
)
def test_history_is_searched_by_the_words_it_shows(
    page: str, client: Client, words: str
) -> None:
    found = client.get(LIST, {"q": words}).context["cl"].result_list
    assert {entry.action for entry in found} == {"evidence.received"}


def test_history_is_filtered_by_a_cases_reference(page: str, client: Client) -> None:
    case = make_incident(title="The one")
    for words in (case.reference, case.reference.lower(), f"Case {case.reference}"):
        found = client.get(LIST, {"stream": words}).context["cl"].result_list
        assert {entry.stream for entry in found} == {f"incident:{case.pk}"}


def test_streams_are_named_and_found_again(db: None) -> None:
    case = make_incident()
    raw = [f"incident:{case.pk}", "extension:node-tools", "system", "intake:7"]
    raw.append("incident:999999")
    said = say_streams(raw)
    assert [said[value] for value in raw] == [
        f"Case {case.reference}",
        "Extension node-tools",
        "System",
        "Alerts taken in, part 7",
        "Case 999999",
    ]
    assert [find_stream(said[value]) for value in raw[:4]] == raw[:4]
    assert find_stream("node-tools") == "extension:node-tools"


def test_the_cases_own_history_is_in_words(client: Client, responder: User) -> None:
    case = make_incident()
    client.force_login(responder)
    url = reverse("admin:incidents_incident_change", args=[case.pk])
    text = client.get(f"{url}?tab=history").content.decode()
    assert "<strong>Case opened</strong>" in text
    assert "incident.opened" not in text

"""Every refusal that a person can read is a plain sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.errors import CasefileError
from evidence.wording import end_sentence

ROOT = Path(__file__).resolve().parents[2]
ENDINGS = ("Error", "Refused", "Missing", "Closed", "Conflict", "Refusal", "Mismatch")
ENDINGS += ("TooLarge", "Broken", "Unavailable", "Damaged", "Malformed", "NotFound")
ENDINGS += ("SendFailed", "Denied")
NOT_FOR_PEOPLE = {
    "AssertionError",
    "ComposerError",
    "ImproperlyConfigured",
    "TransactionManagementError",
    "TypeError",
    "UnicodeError",
    "ValueError",
    # Commands: the shell's own way is a lower-case start.
    "CommandError",
    # The pure readers name a path first, and the page says the rest.
    "DocumentRefused",
    "ReminderPlanError",
}
MACHINE_SPEECH = re.compile(r"\bexpected\b|, got\b|; got\b|\b[a-z]+_[a-z_]+\b", re.I)
KNOWN_NAMES = re.compile(r"record_entry|\{sequence, entry_hash\}|SECRET_KEY\w*|[A-Z_]+")


def words_of(node: ast.expr) -> str | None:
    """Return a written text, with "{}" for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{}"
            for part in node.values
        )
    return None


def messages() -> Iterator[tuple[str, str]]:
    """Yield where each refusal stands, and its message."""
    for app in ("evidence", "policy", "incidents"):
        for path in sorted((ROOT / app).rglob("*.py")):
            if {"format", "scanner", "simulation", "migrations"} & set(path.parts):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if not name.endswith(ENDINGS) or name in NOT_FOR_PEOPLE:
                    continue
                for argument in node.args[:2]:
                    text = words_of(argument)
                    if text and " " in text:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", text


ALL = list(messages())


def test_there_are_many_refusals_to_read() -> None:
    assert len(ALL) > 200


def test_every_refusal_begins_with_a_capital() -> None:
    assert [error for error in ALL if error[1][0].islower()] == []


def test_every_refusal_ends_as_a_sentence() -> None:
    written = [error for error in ALL if not error[1].rstrip().endswith("{}")]
    assert [
        message for message in written if end_sentence(message[1]) != message[1].strip()
    ] == []


def test_no_refusal_speaks_like_a_machine() -> None:
    found = [
        (at, text)
        for at, text in ALL
        if MACHINE_SPEECH.search(KNOWN_NAMES.sub("", text))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("It is closed", "It is closed."),
        ("It is closed. ", "It is closed."),
        ("node-tools is known", "node-tools is known."),
        ("Is it?", "Is it?"),
        ("", ""),
    ],
)
def test_a_message_that_ends_in_what_is_filled_in_ends_all_the_same(
    said: str, shown: str
) -> None:
    error = CasefileError(said)
    assert (error.message, str(error)) == (shown, shown)


TURNS = re.compile(
    r"\b(whoever|hence|lest|whence|(is|am|are) at it|before Christ|"
    r"in the same breath|of its own making|nobody else's|thereof)\b",
    re.I,
)
OTHER_FORMS = re.compile(
    r"(Returns|Tells|Says|Gets|Whether|(Tell|Say) (whether|if|how|what|which|where))\b"
)


def docstrings() -> Iterator[tuple[str, str]]:
    for app in ("evidence", "policy", "incidents", "config"):
        for path in sorted((ROOT / app).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    words = ast.get_docstring(node)
                    if words:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", words


def test_docstrings_have_one_verb_form() -> None:
    assert [at for at, words in docstrings() if OTHER_FORMS.match(words)] == []


def test_documents_and_code_keep_to_plain_turns() -> None:
    papers = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    code = [
        path
        for app in ("evidence", "policy", "incidents", "config")
        for kind in ("*.py", "*.html")
        for path in (ROOT / app).rglob(kind)
        if "migrations" not in path.parts
    ]
    found = {
        f"{path.relative_to(ROOT)}": turn[0]
        for path in (*papers, *code)
        if (turn := TURNS.search(path.read_text()))
    }
    assert found == {}

"""The output of obfuscators is read for what it does, and never called safe unread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policy.scanner import Classification, FileReport, scan_source
from policy.scanner.limits import Clock
from policy.scanner.parsing.syntax import parse
from policy.scanner.running import find_decoders
from policy.scanner.semantics.values import Number, Text

pytestmark = pytest.mark.long

FOLDER = Path(__file__).parents[2] / "data" / "obfuscated"
FORBIDDEN = sorted((FOLDER / "forbidden").glob("*.js"))
HARMLESS = sorted((FOLDER / "harmless").glob("*.js"))
# By shape alone: too long to be run within the budget, or nothing but six signs.
BY_SHAPE = frozenset(("high", "jsfuck"))
MEANING = {
    "command": ("forbidden-module", "child_process"),
    "vm": ("forbidden-module", "vm"),
    "binding": ("process-binding", "process.binding"),
    "steal": ("forbidden-module", "child_process"),
}


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave steps as the only bound: a busy or measured machine changes no answer."""
    monkeypatch.setattr(Clock, "spent", lambda clock: 0.0)


def _scan(path: Path) -> FileReport:
    return scan_source(path.read_bytes(), path.name).files[0]


def _name(path: Path) -> str:
    return path.name


def _of(paths: list[Path], by_shape: bool) -> list[Path]:
    """Return the samples that can be told by their shape alone, or the others."""
    return [path for path in paths if (path.name.split(".")[1] in BY_SHAPE) == by_shape]


def _turns(paths: list[Path]) -> list[Any]:
    """Return one program for each way to obfuscate, in turns; the others take long."""
    names = [path.name.split(".") for path in paths]
    programs = sorted({program for program, *_ in names})
    ways = sorted({way for _, way, *_ in names})
    return [
        pytest.param(path, marks=[pytest.mark.slow] if is_long else [])
        for path, (program, way, *_) in zip(paths, names, strict=True)
        for is_long in [programs.index(program) != ways.index(way) % len(programs)]
    ]


def test_samples_are_there():
    assert len(FORBIDDEN) > 50
    assert len(HARMLESS) > 25


@pytest.mark.parametrize("path", _turns(_of(FORBIDDEN, by_shape=False)), ids=_name)
def test_obfuscated_program_is_told_with_what_it_does(path: Path, untimed: None):
    report = _scan(path)
    rule, word = MEANING[path.name.split(".")[0]]
    told = [entry.why for entry in report.entries if entry.rule == rule]
    assert report.classification is Classification.FORBIDDEN
    assert any(word in why for why in told), report.entries


@pytest.mark.parametrize("path", _of(FORBIDDEN, by_shape=True), ids=_name)
def test_program_that_is_not_run_to_its_end_is_told_by_its_shape(path: Path):
    report = _scan(path)
    assert report.classification is not Classification.SAFE
    assert "obfuscated-code" in {entry.rule for entry in report.entries}


@pytest.mark.parametrize("path", _turns(HARMLESS), ids=_name)
def test_obfuscated_harmless_program_is_flagged_and_no_worse(path: Path):
    report = _scan(path)
    assert report.classification is Classification.FLAGGED, [
        (entry.rule, entry.why) for entry in report.entries
    ]
    assert "obfuscated-code" in {entry.rule for entry in report.entries}


TURNED = """
function texts() {
  const t = ['c', 'a', '7x', 'b']; texts = function () { return t; }; return texts();
}
function get(i) { return texts()[i - 16]; }
(function (all, sum) {
  const list = all();
  while (true) {
    try { if (parseInt(get(16)) === sum) break; else list.push(list.shift()); }
    catch (e) { list.push(list.shift()); }
  }
})(texts, 7);
"""


def _decoded(source: str, name: bytes, *arguments: Text | Number) -> list[object]:
    """Return what the decoders of a source give whose text begins with a name."""
    data = source.encode()
    syntax = parse(data, "javascript")
    decoders = find_decoders(syntax.root, data, Clock())
    return [
        getattr(value, "text", value)
        for node in syntax.root.named_children
        if node.id in decoders and b"function " + name in (node.text or b"")[:40]
        for value in [decoders.call(node.id, list(arguments))]
    ]


def test_array_is_turned_until_its_checksum_is_right():
    assert _decoded(TURNED, b"get", Number(18.0)) == ["c"]
    assert _decoded(TURNED, b"get", Number(16.0)) == ["7x"]


def _put(statement: str) -> str:
    """Return the decoder with a statement in it."""
    return TURNED.replace("return texts()[", f"{statement} return texts()[")


ENDLESS = {
    "a checksum that never is right": TURNED.replace("texts, 7", "texts, 8"),
    "a loop in the decoder": TURNED.replace(
        "return texts()", "for (;;); return texts()"
    ),
    "a text that doubles": _put("let s = 'aa'; for (;;) s += s;"),
    "an array that grows": _put("for (;;) texts().push(1);"),
    "a function that calls itself": _put("get(i);"),
    "a place far away": _put("texts()[1e15] = 1;"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_decoder_that_does_not_end_is_given_up(name: str):
    report = scan_source(f"{ENDLESS[name]}\nrequire(get(17));".encode(), "a.js")
    assert report.classification is Classification.FLAGGED


@pytest.mark.parametrize(
    "use",
    ["process.exit()", "require('fs')", "fetch('x')", "new Proxy({}, {})", "eval('1')"],
)
def test_decoder_that_reaches_the_runtime_is_not_run(use: str):
    source = _put(f"{use};")
    assert _decoded(source, b"get", Number(18.0)) in ([], [None])

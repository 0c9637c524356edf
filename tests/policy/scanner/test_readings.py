"""Bytes that a runtime reads otherwise than a grammar may."""

from __future__ import annotations

import pytest

from policy.scanner import Classification, scan_source

LOAD = "require(process.env.M)\n"


@pytest.mark.parametrize("end", ["\r", "\u2028", "\u2029"])
def test_line_of_the_interpreter_ends_where_the_runtime_ends_it(end: str):
    source = f"#!/usr/bin/env node{end}{LOAD}".encode()
    report = scan_source(source, "run")
    assert {entry.rule for entry in report.entries} == {"dynamic-module"}


def test_line_of_the_interpreter_is_no_code():
    for end in ("\n", "\r\n"):
        source = f"#!/usr/bin/env node {LOAD.strip()}{end}f();\n".encode()
        assert scan_source(source, "run").classification is Classification.SAFE


@pytest.mark.parametrize("end", ["\r", "\u2028", "\u2029", "\n"])
def test_every_end_of_a_line_ends_a_comment(end: str):
    report = scan_source(f"// a{end}{LOAD}".encode(), "a.js")
    assert report.classification is Classification.FLAGGED


@pytest.mark.parametrize("cut", [b"\xff", b"\xe2\x80", b"\xf0", b"\xf4\x90", b"\x00"])
def test_broken_bytes_hide_nothing(cut: bytes):
    for before in (b"// ", b"const q = '", b"/* "):
        after = {b"// ": b"\n", b"/* ": b"*/"}.get(before, b"';")
        report = scan_source(before + cut + after + LOAD.encode(), "a.js")
        assert report.classification is Classification.FLAGGED


@pytest.mark.parametrize(
    "source",
    [
        "const a = '<!--'; const b = `<!--`; const c = /<!--/; // <!-- no",
        "async function f() { await g(); } function* h() { yield; yield 1; }",
        "/** @jsx h */\nconst h = (a) => a; f(<p/>);",
    ],
)
def test_what_only_looks_so_is_not_flagged(source: str):
    report = scan_source(source.encode(), "a.jsx")
    assert report.classification is Classification.SAFE, report.entries


@pytest.mark.parametrize(
    "specifier", ["NODE:vm", "node:vm", "\x01node:vm", "no\tde:vm", "_tls_wrap"]
)
def test_forbidden_module_is_known_by_every_spelling(specifier: str):
    report = scan_source(f"import({specifier!r})".encode(), "a.js")
    assert report.classification is Classification.FORBIDDEN

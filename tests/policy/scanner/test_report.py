"""The report: positions, counts, classification, JSON, the line scanner's words."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from policy.scanner import Classification, scan_lines, scan_source
from policy.scanner.parsing.syntax import MAX_FILE_BYTES

ARCHIVE_FILES = {
    "index.js": "const vm = require('vm');\nexport default 1;\n",
    "lib/hidden.js": "const r = require;\n\n  r('v' + 'm');\n",
    "lib/clean.ts": "export const one: number = 1;\n",
    "lib/maybe.mjs": "await import(name);\n",
    "readme.md": "Beware of require('vm').\n",
    "bin/tool": "#!/usr/bin/env node\nprocess.binding('fs');\n",
    "native/addon.node": "\x7fELF",
    "more.zip": "PK\x03\x04",
}


@pytest.fixture
def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, text in ARCHIVE_FILES.items():
            target.writestr(name, text)
    return buffer.getvalue()


def test_file_is_as_bad_as_its_worst_entry(archive: bytes):
    report = scan_source(archive, "extension.zip")
    assert {f.path: f.classification.value for f in report.files} == {
        "index.js": "forbidden",
        "lib/hidden.js": "forbidden",
        "lib/clean.ts": "safe",
        "lib/maybe.mjs": "flagged",
        "readme.md": "safe",
        "bin/tool": "forbidden",
        "native/addon.node": "flagged",
        "more.zip": "flagged",
    }
    assert report.classification is Classification.FORBIDDEN
    assert report.counts()["files_forbidden"] == 3


def test_report_says_what_line_scanner_missed_and_in_what_form(archive: bytes):
    misses = scan_source(archive, "extension.zip").misses
    forms = {(miss.entry.file, miss.family) for miss in misses}
    assert ("lib/hidden.js", "string-concatenation") in forms
    assert ("lib/maybe.mjs", "dynamic-module") in forms
    assert not any(file == "index.js" for file, _ in forms)


def test_report_is_plain_json(archive: bytes):
    document = scan_source(archive, "extension.zip").as_dict()
    assert json.loads(json.dumps(document)) == document
    assert document["missed_families"]["string-concatenation"] == 1


def test_entry_has_line_column_excerpt_and_reason(archive: bytes):
    report = scan_source("// ü\nlet ä = 1; x = require(\n 'vm');".encode(), "a.js")
    (entry,) = report.entries
    assert (entry.line, entry.column, entry.end_line) == (2, 16, 3)
    assert entry.excerpt == "require( 'vm')"
    assert "forbidden module vm" in entry.why


def test_refused_archive_is_a_report_and_never_safe():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("../evil.js", "1")
    report = scan_source(buffer.getvalue(), "a.zip")
    assert report.refused is not None
    assert report.classification is Classification.FLAGGED
    assert report.as_dict()["refused"]["code"] == "archive_traversal"


def test_broken_source_is_flagged():
    report = scan_source(b"let a = ;;; ) } @@", "a.js")
    assert {entry.rule for entry in report.entries} == {"syntax-error"}
    assert report.classification is Classification.FLAGGED


def test_typescript_in_a_js_file_is_read_by_the_fallback():
    report = scan_source(b"const a: string = 'x'; require('vm' as any);", "a.js")
    assert report.files[0].language in ("typescript", "tsx")
    assert report.classification is Classification.FORBIDDEN


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_byte_order_mark_hides_nothing(encoding: str):
    report = scan_source("require('vm')".encode(encoding), "a.js")
    assert report.classification is Classification.FORBIDDEN


def test_file_too_large_is_flagged_and_what_its_lines_say_is_kept():
    report = scan_source(b"require('vm');//" + b"/" * MAX_FILE_BYTES, "a.js")
    rules = [entry.rule for entry in report.entries]
    assert rules == ["not-fully-analysed", "forbidden-module"]
    assert report.classification is Classification.FORBIDDEN
    assert not report.files[0].is_complete


def test_imports_of_a_declaration_file_are_erased():
    text = b"import * as net from 'net'; export declare const s: net.Socket;"
    assert scan_source(text, "a.d.ts").classification is Classification.SAFE
    assert scan_source(text, "a.ts").classification is Classification.FORBIDDEN


def test_code_in_a_declaration_file_is_code():
    text = b"import * as net from 'net'; const r = require; r('vm');"
    assert scan_source(text, "a.d.ts").classification is Classification.FORBIDDEN


def test_excerpt_is_short_and_printable():
    text = b"require('vm', '" + b"\x1b\xe2\x80\xae" * 500 + b"')"
    (entry,) = scan_source(text, "a.js").entries
    assert len(entry.excerpt) <= 160
    assert entry.excerpt.isprintable()


class TestLineScanner:
    """The measure of what is missed: regular expressions, comments stripped."""

    @pytest.mark.parametrize(
        "line",
        [
            "const a = require('vm')",
            'import x from "node:net"',
            "import 'tls'",
            "await import('cluster')",
            "export * from 'inspector/promises'",
            "process.binding('fs')",
            "process . dlopen(m)",
        ],
    )
    def test_plain_spelling_is_forbidden(self, line: str):
        (finding,) = scan_lines(line.encode())
        assert finding.classification is Classification.FORBIDDEN

    @pytest.mark.parametrize(
        "line", ["eval(x)", "new Function('a')", "require('zlib')"]
    )
    def test_eval_and_uncovered_builtins_are_flagged(self, line: str):
        (finding,) = scan_lines(line.encode())
        assert finding.classification is Classification.FLAGGED

    @pytest.mark.parametrize(
        "line",
        [
            "const r = require; r('vm')",
            "require('v' + 'm')",
            "process['binding']('fs')",
            "(0, eval)(x)",
            "require(\n'vm')",
            "// require('vm')",
            "/* eval(x)\n eval(y) */",
            "require(`vm`)",
        ],
    )
    def test_what_is_computed_or_a_comment_is_not_seen(self, line: str):
        assert scan_lines(line.encode()) == []

    @pytest.mark.parametrize(
        "line",
        [
            "from /* a */ 'vm'",
            "import/* a */'node:net'",
            "import /* a */ ( /* b */ 'tls/x')",
            "require /* a */ ( /* b */ 'v8')",
            "require\u00a0(\u2003'repl')",
            "require\x1f('sqlite')",
            "process /* a */ . /* b */ binding /* c */ ('fs')",
            "process/**/./**/dlopen/**/(m)",
            "process\u2028.\u2029binding(m)",
            "eval /* a */ (x)",
            "eval \u3000(x)",
            "new /* a */ Function /* b */ ('a')",
            "new\u00a0Function\u00a0('a')",
        ],
    )
    def test_comments_and_blanks_of_all_kinds_hide_nothing(self, line: str):
        assert len(scan_lines(line.encode())) == 1

    def test_slashes_in_a_string_are_no_comment(self):
        assert len(scan_lines(b"const u = 'http://x'; require('vm')")) == 1

    def test_lines_keep_their_numbers(self):
        (finding,) = scan_lines(b"/* one\n two */\nrequire('vm')")
        assert finding.line == 3


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bundle.json", b'{"schema": "x", "risk_ledger": {}}'),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("notes.txt", b"hello"),
        ("empty.js", b""),
        ("blank.js", b" \n"),
    ],
)
def test_what_holds_no_code_is_never_safe(name: str, data: bytes):
    report = scan_source(data, name)
    assert report.classification is Classification.FLAGGED
    assert report.refused is not None
    assert report.refused.code == "no_code"


def test_an_archive_without_code_is_never_safe():
    for members in ({}, {"readme.md": "x"}, {"a.json": "{}", "b.md": "y"}):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)
        report = scan_source(buffer.getvalue(), "a.zip")
        assert report.classification is Classification.FLAGGED


def test_code_under_another_name_is_still_judged():
    report = scan_source(b"eval('1');", "notes.txt")
    assert report.refused is None
    assert report.classification is not Classification.SAFE


def test_type_of_an_import_in_a_file_of_declarations_is_no_error():
    source = (
        b'export declare const f: import("./types.js").Fn<Date | undefined, string>;'
    )
    assert scan_source(source, "a.d.ts").classification is Classification.SAFE


def test_call_in_a_file_of_declarations_is_read_as_code():
    source = b'export declare const f: import("./t.js").Fn<A>;\nf(g, import("vm").x);'
    assert scan_source(source, "a.d.ts").classification is not Classification.SAFE

"""Each finding is shown: its source with the place marked, and how its value came."""

from __future__ import annotations

import pytest

from policy.scanner import Miss, SourceFile, regression_tests, scan_file, scan_source
from policy.scanner.report_entries import Entry

WAYS = {
    "names joined": (
        "const parts = ['child', '_pro'];\nlet name = parts[0];\nname += parts[1];\n"
        "name += 'cess';\nrequire(name).exec('ls');\n",
        [(1, "set"), (2, "set"), (3, "added to"), (4, "added to")],
    ),
    "given to a function": (
        "function load(n) {\n  return require(n);\n}\nconst q = 'v' + 'm';\nload(q);\n",
        [(4, "set"), (5, "called")],
    ),
    "a list that changes": (
        "const a = ['v'];\na.push('m');\nrequire(a.join(''));\n",
        [(1, "set"), (2, "changed")],
    ),
    "a loop": (
        "let s = '';\nfor (const c of ['v', 'm']) s += c;\nrequire(s);\n",
        [(1, "set"), (2, "set by a loop"), (2, "added to")],
    ),
    "nothing but the place itself": ("require('v' + 'm');\n", []),
}


def entry_of(source: str) -> Entry:
    entries = scan_source(source.encode(), "a.js").entries
    return max(entries, key=lambda entry: entry.classification.rank)


@pytest.mark.parametrize(("source", "expected"), WAYS.values(), ids=WAYS)
def test_the_way_of_a_value_is_told_in_the_order_of_the_source(source, expected):
    steps = entry_of(source).steps
    assert [(step.line, step.how) for step in steps] == expected
    lines = source.splitlines()
    for step in steps:
        assert step.excerpt.split(";")[0] in lines[step.line - 1]


def test_a_name_that_gives_itself_its_value_ends():
    steps = entry_of("let a = 'v'; a = a + 'm'; a = a; require(a);").steps
    assert len(steps) <= 12


def test_a_way_is_bounded_in_a_table_of_thousands():
    names = "".join(f"const n{i} = n{i - 1} + 'x';\n" for i in range(1, 2_000))
    entry = entry_of(f"const n0 = 'v';\n{names}require(n1999);\n")
    assert 0 < len(entry.steps) <= 12


MARKED = {
    "in the middle of a line": "let a = 1; require('v' + 'm'); let b = 2;",
    "the first of a file": "require('v' + 'm')",
    "over lines": "x(\n1);\nrequire(\n  'v' +\n  'm');\ny();",
    "behind letters of several bytes": "let ä = 'üü';\nlet ö = 1; require('v' + 'm');",
    "in a line as long as the file": "a;" * 5_000 + "require('v'+'m');" + "b;" * 5_000,
}


@pytest.mark.parametrize("source", MARKED.values(), ids=MARKED)
def test_the_place_is_marked_in_its_source(source):
    context = entry_of(source).context
    assert context.marked.startswith("require(")
    shown = context.before.lstrip("…") + context.marked + context.after.rstrip("…")
    assert shown in source
    assert len(shown) < 1_200


def test_what_cannot_be_printed_is_spelt_out_where_a_place_is_shown():
    context = entry_of(
        "let a = '\u202e';\nrequire('v\u200b'.slice(0, 1) + 'm');"
    ).context
    assert "\\u202e" in context.before
    assert "\\u200b" in context.marked


def test_an_entry_comes_back_from_its_document_as_it_was():
    entry = entry_of(WAYS["a loop"][0])
    assert Entry.from_dict(entry.as_dict()) == entry


def misses_of(source: str) -> list[Miss]:
    return scan_source(source.encode(), "a.js").misses


def test_a_regression_test_holds_the_form_by_itself():
    noise = "const unrelated = 1;\n" * 50
    source = noise + WAYS["names joined"][0] + noise
    (test,) = regression_tests(misses_of(source), scan_file)
    assert test.classification == "forbidden"
    assert "unrelated" not in test.source
    assert test.source in source.replace(".exec('ls')", "")
    (again,) = scan_file(SourceFile("b.js", test.source.encode()), is_run=True).misses
    assert again.entry.rule == test.rule


def test_what_loses_its_finding_when_cut_out_makes_no_test():
    # By itself `o` is never changed, and the place is safe.
    source = "const o={m:'fs'};const p=o;p.m='vm';require(o.m);"
    assert misses_of(source)
    assert regression_tests(misses_of(source), scan_file) == []

"""Hostile sources: bounded work, no exception but the family, never silently safe."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.scanner import (
    Classification,
    SourceRefusedError,
    scan_source,
    unpack_source,
)
from tests.data.evasions import load_samples
from tests.policy.scanner.test_archive import make_zip
from tests.suites import leave_slow
from tests.work import at_most

pytestmark = pytest.mark.long

MOST_CALLS = 20_000_000  # the worst of these takes a third of it
MOST_CALLS_DEEP = 5_000_000
MOST_CALLS_OF_LOOP = 1_000_000  # it takes half of it, and took ten times as many
DEEP = {
    "calls": b"a(" * 5_000 + b"b" + b")" * 5_000,
    "parentheses": b"(" * 25_000,
    "arrays": b"[" * 25_000 + b"]" * 25_000,
    "members": b"a" + b".b" * 12_500,
    "chain": b"a" + b".b()" * 2_500,
    "templates": b"`${" * 7_500,
    "arrows": b"x=>" * 12_500 + b"1",
    "branches": b"if(x)" * 2_500 + b"eval(x)",
    "conditions": b"a?b:" * 7_500 + b"c",
    "functions": b"function f(){" * 5_000 + b"}" * 5_000,
    "objects": b"({a:" * 7_500,
    "blocks": b"{var x=" * 5_000,
    "sum": b"x=" + b"+".join([b"'v'"] * 12_500),
    "escapes": b"\\u0061;" * 5_000,
    "noise": b"@#$ " * 12_500,
}
ENDLESS = {
    "quotes": b'"' * 500_000,
    "tags": b"<a>" * 50_000,
    "escaped-string": b"x='" + b"\\x41" * 200_000 + b"'",
    "one-letter": b"!function(e){" + b"e(e.e,e[e]);" * 5_000 + b"}(require)",
    "uses": b"require(x);" * 5_000,
    "evals-in-a-line": b"eval(a+b);" * 20_000,
}
# Each once cost the square of its length, or more, in a regular expression.
STEEP = {
    "comments": b"/" * 200_000,
    "comment-by-comment": b"/**/" * 50_000 + b"this.x()",
    "escaped-quotes": b"\\'" * 100_000,
    "templates": b"`" * 200_000,
    "loop-of-blanks": b"for(" + b" " * 300_000 + b"a[b]=c",
    "long-string": b"x='" + b"a" * 2_000_000 + b"'",
    "signs": b"$" * 200_000,
    "long-name": b"x.shift());" + b"a" * 1_000_000,
}
HUNGRY = {
    "replace-bomb": b"require('x'.repeat(2e4).replace(/x/g,'y'.repeat(2e5)))",
    "repeat": b"x='a'.repeat(1e9);require('a'.repeat(1e9))",
    "pad": b"require('a'.padEnd(1e9,'b'))",
    "array": b"require(Array(1e9).join('v'))",
    "from": b"require(Array.from({length:1e9},()=>'v').join(''))",
    "loop": b"let s='';for(let i=0;i<1e9;i++)s+='v';require(s)",
    "forever": b"let s='';while(true)s+='v';require(s)",
    "recursion": b"const f=x=>f(x+'v');require(f('v'))",
    "mutual": b"const f=()=>g(),g=()=>f();require(f())",
    "cycle": b"let a=b,b=c,c=a;require(a)",
    "doubling": b"let s='vm';" + b"s+=s;" * 60 + b"require(s)",
    "nested-map": b"const a=[1,2,3,4,5,6,7,8];require("
    + b"a.map(x=>" * 8
    + b"x"
    + b").join('')" * 8
    + b")",
    "pattern": b"require('" + b"a" * 5000 + b"b'.replace(/(a+)+$/,''))",
    "pattern-star": b"require('" + b"a" * 5000 + b"'.replace(/a*a*a*b/,''))",
    "quine": b'eval("eval(\\"eval(\'eval(1)\')\\")")',
    "options": b"let m;"
    + b"".join(b"if(x)m=m+'%d';" % n for n in range(60))
    + b"require(m)",
}


# They take the longest of their kind, and stand for no other promise.
LONG = ("quotes", "evals-in-a-line", "comment-by-comment", "templates")


@pytest.mark.parametrize("name", DEEP)
def test_deep_or_endless_source_is_scanned_with_bounded_work(name: str):
    with at_most(MOST_CALLS_DEEP):
        report = scan_source(DEEP[name], "a.js")
    assert report.refused is None


@pytest.mark.parametrize("name", HUNGRY)
def test_source_that_asks_for_much_work_does_not_get_it(name: str):
    with at_most(MOST_CALLS):
        report = scan_source(HUNGRY[name], "a.js")
    assert report.classification is not Classification.SAFE


@pytest.mark.parametrize("name", leave_slow(ENDLESS, *LONG))
def test_source_that_costs_too_much_is_flagged_with_bounded_work(name: str):
    with at_most(MOST_CALLS):
        report = scan_source(ENDLESS[name], "a.js")
    assert report.classification is Classification.FLAGGED


@pytest.mark.parametrize("name", leave_slow(STEEP, *LONG))
def test_source_that_costs_the_square_of_its_length_does_not(name: str):
    with at_most(MOST_CALLS):
        report = scan_source(STEEP[name], "a.js")
    assert report.refused is None


def _fill(names: str) -> bytes:
    """Return a loop that builds up each of some names."""
    body = "".join(f"{name}+='v';" for name in names)
    return b"for(let i=0;i<900;i++){%b}" % body.encode()


def test_loop_that_builds_up_many_names_is_not_followed_for_each():
    names = "abcdefghjklmnopqrstuvwxyz"
    empty = ",".join(f"{name}=''" for name in names)
    loads = "".join(f"require({name});" for name in names)
    source = b"let %b;%b%b" % (empty.encode(), _fill(names), loads.encode())

    with at_most(MOST_CALLS_OF_LOOP):
        report = scan_source(source, "a.js")

    assert report.classification is Classification.FLAGGED


def test_short_decoder_is_followed_after_loops_that_took_the_files_steps():
    decoder = b"let m='';for(const c of 'ul')m+=String.fromCharCode(c.charCodeAt(0)+1);"
    source = b"let a='',b='';%b%brequire(a);require(b);%brequire(m)" % (
        _fill("a"),
        _fill("b").replace(b"900", b"4000"),
        decoder,
    )

    entries = scan_source(source, "a.js").files[0].entries

    assert {entry.rule for entry in entries} >= {
        "not-fully-analysed",
        "forbidden-module",
    }


MANIFESTS = {
    "nodes": b'{"scripts":{"install":"' + b"node " * 40_000 + b'"}}',
    "wildcards": b'{"exports":[' + b'"./*",' * 100_000 + b'"./*"]}',
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_hostile_manifest_hides_no_file(name: str):
    files = {"package.json": MANIFESTS[name], "lib/data.js": b"require('vm')"}
    files |= {f"{n}.txt": b"x" for n in range(500)}
    with at_most(MOST_CALLS):
        report = scan_source(make_zip(files), "a.zip")
    assert report.classification is Classification.FORBIDDEN


def test_forbidden_call_after_a_thousand_flagged_ones_is_not_called_safe():
    source = b"eval(a);" * 1_500 + b"require('vm')"
    report = scan_source(source, "a.js")
    assert report.classification is not Classification.SAFE
    assert not report.files[0].is_complete


def test_forbidden_call_behind_deep_nesting_is_found():
    report = scan_source(b"if(x)" * 5_000 + b"require('vm')", "a.js")
    assert report.classification is Classification.FORBIDDEN


_FRAGMENTS = st.sampled_from(
    [sample.source for sample in load_samples()]
    + [b"`${", b"}`", b"\\u{110000}", b"\\u{}", b"\xff\xfe", b"(", b")", b"/*", b"'"]
)
_MUTATED = st.lists(
    st.one_of(_FRAGMENTS, st.binary(max_size=12)), min_size=1, max_size=6
).map(b"".join)
_CUT = st.tuples(_MUTATED, st.integers(0, 200), st.integers(0, 200)).map(
    lambda parts: parts[0][: parts[1]] + parts[0][parts[2] :]
)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=st.one_of(_MUTATED, _CUT), suffix=st.sampled_from([".js", ".ts", ".tsx"]))
def test_mutated_source_always_gives_a_json_report(source: bytes, suffix: str):
    document = scan_source(source, f"a{suffix}").as_dict()
    json.dumps(document)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=st.text(max_size=200))
def test_random_text_always_gives_a_json_report(source: str):
    json.dumps(scan_source(source.encode("utf-8", "replace"), "a.js").as_dict())


_MAGIC = st.sampled_from(
    [b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00", b""]
)


@settings(max_examples=200, deadline=None)
@given(magic=_MAGIC, rest=st.binary(max_size=600))
def test_random_archive_is_unpacked_or_refused(magic: bytes, rest: bytes):
    try:
        unpack_source(magic + rest, "a")
    except SourceRefusedError as error:
        assert error.code  # noqa: PT017 -- random bytes may also be a plain file

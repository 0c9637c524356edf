"""What is plain to see makes nothing beside it worse than it is."""

from __future__ import annotations

import pytest

from policy.scanner import Classification, scan_source

FORBIDDEN, FLAGGED = Classification.FORBIDDEN, Classification.FLAGGED
SAFE = Classification.SAFE
INDEXES = {
    "difference": ("n - 1", SAFE),
    "shift": ("(n >> 2)", SAFE),
    "counter": ("n++", SAFE),
    "sign": ("-n", SAFE),
    "text": ("'name'", SAFE),
    "sum, which may be a text": ("n + 1", FLAGGED),
    "sum of a difference": ("n - 1 + n", FLAGGED),
    "one of two": ("n - 1 || n", FLAGGED),
    "name": ("n", FLAGGED),
    "text of the constructor": ("'constructor'", FLAGGED),
    "text with an escape": (r"'\x63onstructor'", FLAGGED),
}


@pytest.mark.parametrize(("index", "expected"), INDEXES.values(), ids=INDEXES)
def test_member_that_is_read_by_a_number_is_never_the_constructor(index, expected):
    source = f"export default n => {{ const f = x => x; f[{index}](n)(n); }}\n"
    report = scan_source(source.encode(), "a.js")
    assert min(report.classification.rank, FLAGGED.rank) == expected.rank


def test_forbidden_name_that_is_loaded_in_plain_sight_waits_for_no_other_load():
    source = (
        b"const {Worker} = require('worker_threads');\nexport default n => import(n);"
    )
    found = {e.line: e.classification for e in scan_source(source, "a.js").entries}
    assert found == {1: FORBIDDEN, 2: FLAGGED}


def test_forbidden_name_that_stands_by_itself_is_what_an_open_load_waits_for():
    source = b"const name = 'worker_threads';\nexport default n => import(n);"
    assert scan_source(source, "a.js").classification is FORBIDDEN


def test_number_that_is_put_together_hides_a_write_to_a_prototype():
    plain = b"Object.prototype[2 - 1] = 1;"
    hidden = b"Object['proto' + 'type'][2 - 1] = 1;"
    assert scan_source(plain, "a.js").classification is FLAGGED
    assert scan_source(hidden, "a.js").classification is FORBIDDEN

"""Reading in pieces finds what reading the whole finds: same verdicts, same words."""

from __future__ import annotations

import json
import random
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence.format import DocumentRefused, read_document, verify_document
from evidence.format.pieces import CUT, MOST_MEMBERS, Cut, LongArray, open_document

from .samples import build, make_source
from .test_against_reference import broken_documents
from .test_fuzz import break_bytes
from .test_reading import ACCEPTED, REFUSED, nested
from .vectors import NAMES, document_bytes, result_of, source_bytes

# So finely that every array of a vector is cut, and its last piece is a short one.
FINE = Cut(records=2, long_bytes=0)
SMALL = [name for name in NAMES if name != "big"]
SOUND = [name for name in SMALL if not name.startswith("refused-")]
FEW = build(make_source(5))


def result_in_pieces(data: bytes, cut: Cut = FINE) -> dict[str, Any]:
    try:
        return verify_document(data, cut=cut).as_dict()
    except DocumentRefused as refusal:
        return {"kind": "refused", **refusal.as_dict()}


def assert_same(data: bytes) -> None:
    assert len(data) < CUT.long_bytes
    # Compared as text: True would equal 1.
    assert json.dumps(result_in_pieces(data)) == json.dumps(result_of(data))


def gathered(value: Any) -> Any:
    """Return an opened document with every long array read."""
    if isinstance(value, LongArray):
        return list(value)
    if isinstance(value, dict):
        return {name: gathered(each) for name, each in value.items()}
    return value


@pytest.mark.parametrize("name", SMALL)
def test_vector_gives_in_pieces_what_it_gives_whole(name):
    assert_same(document_bytes(name))


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("layout", ["as it is", "spread", "spaced"])
def test_sound_vector_is_read_in_pieces_and_not_given_up(name, layout):
    data = document_bytes(name)
    if layout != "as it is":
        indent = 2 if layout == "spread" else None
        data = json.dumps(json.loads(data), indent=indent, ensure_ascii=False).encode()
    opened = gathered(open_document(data, cut=FINE))
    assert repr(opened) == repr(read_document(data))


def test_document_held_against_a_source_is_read_whole():
    name = "leak-raw-value"
    data, source = document_bytes(name), source_bytes(name)
    found = verify_document(data, source=source, cut=FINE).as_dict()
    assert found == result_of(data, source)
    assert found["report"]["leaks"]


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(broken_documents(), st.sampled_from([None, 1]), st.booleans(), st.booleans())
def test_changed_document_gives_the_same_in_pieces(document, indent, ascii_only, sort):
    text = json.dumps(
        document, indent=indent, ensure_ascii=ascii_only, sort_keys=sort
    ).encode()
    assert_same(text)
    assert_same(text.replace(b": ", b":").replace(b", ", b","))


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(SMALL), st.randoms(use_true_random=False))
def test_broken_bytes_give_the_same_in_pieces(name, generator):
    assert_same(break_bytes(document_bytes(name), generator))


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False))
def test_member_moved_or_repeated_anywhere_gives_the_same_in_pieces(generator):
    assert_same(repeat_a_member(json.dumps(FEW).encode(), generator))


def repeat_a_member(data: bytes, generator: random.Random) -> bytes:
    """Copy what stands between two commas to another comma: names then occur twice."""
    commas = [place for place, byte in enumerate(data) if byte == ord(",")]
    start, end = sorted(generator.sample(commas, 2))
    place = generator.choice(commas)
    return data[:place] + data[start : min(end, start + 4000)] + data[place:]


PARTS = {
    "$": b"{%s}",
    "ledger": b'{"risk_ledger":{"entries":[],%s}}',
    "entry": b'{"risk_ledger":{"entries":[{},{},{%s}]}}',
    "section": b'{"security_alerts":[{%s}]}',
    "entry of a ledger alone": b'{"entries":[{"a":0},{%s}]}',
}
TWICE = {
    "same": b'"x":1,"x":1',
    "as long": b'"x":1,"y":2,"x":3',
    "longer": b'"x":1,"y":2,"x":30',
    "shorter": b'"x":10,"y":2,"x":3',
    "spelled otherwise": b'"x":1,"\\u0078":1',
    "hidden in a value": b'"x":{"z":0,"y":1},"y":2,"x":{}',
    "with space": b'"x" : 1 , "x" : 1',
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("twice", TWICE)
def test_name_that_occurs_twice_is_refused_wherever_it_stands(part, twice):
    data = PARTS[part] % TWICE[twice]
    assert result_in_pieces(data)["code"] == "duplicate_member"
    assert_same(data)


@pytest.mark.parametrize("name", [*REFUSED, *ACCEPTED])
def test_hard_value_gives_the_same_in_pieces(name):
    data = (REFUSED | ACCEPTED)[name][0]
    if len(data) < 50_000:
        assert_same(data)
        assert_same(b'{"entries":[{"a":1},' + data + b"," + data + b"]}")


@pytest.mark.parametrize("members", [b'"b":0,"a":', b'"a":0,"b":'])
def test_depth_is_that_of_the_document(members):
    for levels in (59, 60, 61, 62, 63, 64):
        deep = b"[" * levels + b"]" * levels
        assert_same(b'{"risk_ledger":{"entries":[{' + members + deep + b"}]}}")
        assert_same(nested(levels))


def test_broken_ledger_is_judged_across_the_edges_of_pieces():
    for place in range(5):
        for change in ({"sequence": 1}, {"sequence": 9}, {"ts_ms": "x"}, {"note": 1}):
            document = json.loads(json.dumps(FEW))
            document["risk_ledger"]["entries"][place].update(change)
            assert_same(json.dumps(document).encode())
        document = json.loads(json.dumps(FEW))
        document["risk_replay"]["steps"][place]["outcome"] = "failed"
        assert_same(json.dumps(document).encode())
        del document["risk_replay"]["steps"][place]
        assert_same(json.dumps(document).encode())


def test_long_document_takes_less_memory_than_it_is_long():
    data = document_bytes("big")
    tampered = data.replace(b'"outcome":"executed"', b'"outcome":"blocked"', 50)
    tracemalloc.start()
    try:
        report = verify_document(tampered).report
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not report.valid
    assert peak < len(data)


@pytest.mark.parametrize("count", [MOST_MEMBERS, MOST_MEMBERS + 1])
def test_object_of_very_many_members_gives_the_same_whether_read_at_once(count):
    names = [f"{number:x}" for number in range(count)]
    members = {name: {"deep": [name]} for name in names}
    read = open_document(json.dumps({**FEW, "more": members}).encode(), cut=FINE)
    assert gathered(read["more"]) == members
    deep = b"[" * 63 + b"]" * 63
    members_text = b",".join(b'"%x": 1' % number for number in range(count))
    with pytest.raises(DocumentRefused):
        open_document(b'{"more": {' + members_text + b', "0": 1}}', cut=FINE)
    with pytest.raises(DocumentRefused):
        open_document(b'{"more": {"deep": ' + deep + b"," + members_text + b"}}")


def test_object_of_very_many_members_is_not_read_member_by_member():
    members = {f"{number:x}": number for number in range(20_000)}
    data = json.dumps({"more": members}, separators=(",", ":")).encode()
    calls = 0

    def note(*event: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(note)
    try:
        open_document(data, cut=FINE)
    finally:
        sys.setprofile(None)
    assert calls < len(members)

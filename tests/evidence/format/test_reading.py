"""Strict reading: what is refused, where and how fast, and what is let through."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.format import DocumentRefused, read_document
from evidence.format.reading import read
from tests.work import at_most

from .test_canonical import documents


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """Return an object whose deepest array is on the given level."""
    inner = opening * (levels - 1) + closing * (levels - 1)
    return b'{"a":' + inner + b"}"


REFUSED = {
    "empty": (b"", "empty", None),
    "blank": (b" \n\t", "empty", None),
    "truncated": (b'{"a": [1, 2', "not_json", None),
    "two documents": (b"{} {}", "not_json", None),
    "trailing comma": (b'{"a": 1,}', "not_json", None),
    "comment": (b'{"a": 1} // x', "not_json", None),
    "single quotes": (b"{'a': 1}", "not_json", None),
    "control character": (b'{"a": "\x01"}', "not_json", None),
    "bad escape": (b'{"a": "\\x41"}', "not_json", None),
    "leading zero": (b'{"a": 01}', "not_json", None),
    "no digit after the point": (b'{"a": 1.}', "not_json", None),
    "plus sign": (b'{"a": +1}', "not_json", None),
    "NaN": (b'{"a": NaN}', "not_json", None),
    "infinity": (b'{"a": -Infinity}', "not_json", None),
    "byte order mark": (b"\xef\xbb\xbf{}", "not_json", None),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "not_utf8", None),
    "latin 1": (b'{"a": "\xe9"}', "not_utf8", None),
    "overlong UTF-8": (b'{"a": "\xc0\xaf"}', "not_utf8", None),
    "surrogate in UTF-8": (b'{"a": "\xed\xa0\x80"}', "not_utf8", None),
    "lone high surrogate": (b'{"a": "\\ud800"}', "lone_surrogate", None),
    "lone low surrogate": (b'{"a": "\\udc00x"}', "lone_surrogate", None),
    "surrogates reversed": (b'{"a": "\\udc00\\ud800"}', "lone_surrogate", None),
    "lone surrogate in a name": (b'{"\\ud800": 1}', "lone_surrogate", None),
    "array": (b"[]", "not_an_object", "$"),
    "string": (b'"x"', "not_an_object", "$"),
    "number": (b"1", "not_an_object", "$"),
    "null": (b"null", "not_an_object", "$"),
    "65 levels": (nested(65), "too_deep", None),
    "65 levels of objects": (b'{"a":' * 65 + b"1" + b"}" * 65, "too_deep", None),
    "100,000 levels": (nested(100_000), "too_deep", None),
    "100,000 open brackets": (b"[" * 100_000, "too_deep", None),
    "a million open braces": (b'{"a":' * 1_000_000, "too_deep", None),
    "brackets hidden in strings": (
        b'{"a":' + b'["]",' * 64 + b"1" + b"]" * 64 + b"}",
        "too_deep",
        None,
    ),
    "duplicate": (b'{"a": 1, "a": 1}', "duplicate_member", "$.a"),
    "duplicate spelled otherwise": (b'{"a":1,"\\u0061":1}', "duplicate_member", "$.a"),
    "duplicate empty name": (b'{"":1,"":2}', "duplicate_member", "$['']"),
    "duplicate with a quote": (b'{"\'":1,"\'":2}', "duplicate_member", "$['\\'']"),
    "duplicate deep down": (
        b'{"a": [0, {"b c": {"x": 1, "y": 2, "x": 3}}]}',
        "duplicate_member",
        "$.a[1]['b c'].x",
    ),
    "2**53 + 1": (b'{"a": [9007199254740993]}', "inexact_integer", "$.a[0]"),
    "-(2**53) - 1": (b'{"a": -9007199254740993}', "inexact_integer", "$.a"),
    "2**64 - 1": (b'{"a": 18446744073709551615}', "inexact_integer", "$.a"),
    "10**20 + 1": (b'{"a": 100000000000000000001}', "inexact_integer", "$.a"),
    "10**23": (b'{"a": 100000000000000000000000}', "inexact_integer", "$.a"),
    "10**309": (b'{"a": 1' + b"0" * 309 + b"}", "inexact_integer", "$.a"),
    "10**5000": (b'{"a": 1' + b"0" * 5000 + b"}", "inexact_integer", "$.a"),
    "10**10,000,000": (b'{"a": 1' + b"0" * 10**7 + b"}", "inexact_integer", "$.a"),
    "1e400": (b'{"a": {"b": 1e400}}', "number_too_large", "$.a.b"),
    "-1e400": (b'{"a": -1e400}', "number_too_large", "$.a"),
    "a million digits before the point": (
        b'{"a": ' + b"9" * 10**6 + b".5}",
        "number_too_large",
        "$.a",
    ),
}

ACCEPTED = {
    "2**53": (b'{"a": 9007199254740992}', 2.0**53),
    "2**53 - 1": (b'{"a": 9007199254740991}', 2**53 - 1),
    "-(2**53 - 1)": (b'{"a": -9007199254740991}', -(2**53) + 1),
    "10**20": (b'{"a": 100000000000000000000}', 1e20),
    "10**22": (b'{"a": 10000000000000000000000}', 1e22),
    "2**64": (b'{"a": 18446744073709551616}', 2.0**64),
    "1.0": (b'{"a": 1.0}', 1),
    "1e0": (b'{"a": 1E+0}', 1),
    "100e-2": (b'{"a": 100e-2}', 1),
    "-0": (b'{"a": -0}', 0),
    "-0.0": (b'{"a": -0.0}', 0),
    "-0.0e5": (b'{"a": -0.0e5}', 0),
    "1e23": (b'{"a": 1e23}', 1e23),
    "tiny": (b'{"a": 1e-400}', 0),
    "5e-324": (b'{"a": 5e-324}', 5e-324),
    "many digits": (b'{"a": 0.' + b"1" * 100_000 + b"}", 0.1111111111111111),
    "surrogate pair": (b'{"a": "\\ud83d\\ude00"}', "\U0001f600"),
    "escaped backslash before u": (b'{"a": "\\\\ud800"}', "\\ud800"),
    "noncharacter": (b'{"a": "\xef\xbf\xbf"}', "\uffff"),
    "NUL": (b'{"a": "\\u0000"}', "\0"),
    "64 levels": (nested(64), orjson.loads(nested(64))["a"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_document_is_refused_with_its_path(name):
    data, code, path = REFUSED[name]
    with pytest.raises(DocumentRefused) as caught, at_most(1_000):
        read_document(data)
    assert (caught.value.code, caught.value.path) == (code, path)


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_but_sound_document_is_read(name):
    data, value = ACCEPTED[name]
    found = read_document(data)["a"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("innermost", [b"1", b"[]", b"{}", b'""', b"[1]", b'{"a":1}'])
@pytest.mark.parametrize(
    "opening", [b"[", b'{"a":', b'[{"a":', b'{"a":[', b'[0,{"b":1,"a":']
)
@pytest.mark.parametrize("levels", [64, 65])
def test_depth_is_counted_alike_in_arrays_and_objects(levels, opening, innermost):
    shape = opening.replace(b'"b":1,', b"")
    inner = innermost.count(b"[") + innermost.count(b"{")
    each = shape.count(b"[") + shape.count(b"{")
    times = (levels - 1 - inner) // each
    closing = bytes(reversed(shape.replace(b'"a":', b""))).translate(
        bytes.maketrans(b"[{", b"]}"), b"0,"
    )
    body = opening * times + innermost + closing * times
    for _ in range(levels - 1 - inner - times * each):
        body = b"[" + body + b"]"
    data = b'{"top":' + body + b"}"
    if levels == 64:
        assert read_document(data) == orjson.loads(data)
        assert read(b" \n" + data) == read(data.replace(b":", b": \t"))
    else:
        with pytest.raises(DocumentRefused, match="64 levels"):
            read_document(data)


def test_refusal_says_where_and_never_repeats_content():
    with pytest.raises(DocumentRefused) as caught:
        read_document(b'{"token": {"s3cret": 1, "s3cret": 1}}')
    assert str(caught.value) == "$.token.s3cret: the member name occurs twice"


def test_path_of_a_very_long_name_is_cut():
    name = b"n" * 10_000_000
    with pytest.raises(DocumentRefused) as caught:
        read_document(b'{"' + name + b'": 1, "' + name + b'": 1}')
    assert caught.value.path is not None
    assert len(caught.value.path) < 100


def test_first_fault_in_the_document_is_named():
    with pytest.raises(DocumentRefused) as caught:
        read_document(b'{"a": 1e999, "b": {"c": 1, "c": 2}}')
    assert caught.value.path == "$.a"


LAYOUTS: list[dict[str, Any]] = [
    {},
    {"indent": 1},
    {"indent": 4, "ensure_ascii": False},
    {"indent": "\t", "sort_keys": True},
    {"separators": (",", ":")},
    {"separators": (" ,  ", "\r\n: ")},
    {"ensure_ascii": False},
]


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), documents),
    st.sampled_from(LAYOUTS),
)
def test_every_layout_reads_as_the_same_document(value, layout):
    data = json.dumps(value, **layout).encode()
    if any(type(n) is float and abs(n) >= 1e400 for n in value.values()):
        return
    plain = json.dumps(value, separators=(",", ":")).encode()
    assert read(data) == read(plain)


def same_member_twice(value: Any) -> bytes:
    """Serialise an object with its first member written twice."""
    text = orjson.dumps(value)
    name, item = next(iter(value.items()))
    again = orjson.dumps({name: item})[1:-1]
    return text[:-1] + b"," + again + b"}"


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8")),
        st.integers(0, 9) | st.text(st.characters(codec="utf-8")),
        min_size=1,
    ),
    st.sampled_from([b"%s", b"\n %s\n", b" %s"]),
)
def test_duplicate_is_found_in_every_layout(value, layout):
    inner = layout.replace(b"%s", same_member_twice(value))
    for data in (inner, b'{"outer": [' + inner + b"]}", b'{"outer":[' + inner + b"]}"):
        with pytest.raises(DocumentRefused, match="twice"):
            read_document(data)


def test_duplicates_that_white_space_sets_apart_are_two_names():
    assert read_document(b'{"a": {"x\\": y": 1, "x\\":y": 2}}') == {
        "a": {'x": y': 1, 'x":y': 2}
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": "b', "ends inside the text that starts at line 1, column 7"),
        ('{"a": 1,\n "b"', "the file ends at line 2, column 5, before the document"),
        ('{"a": ', "before the document does. It was cut off"),
        ('{"a": 1} {}', "more follows where the document ends, at line 1, column 10"),
        ('{"a": 1 "b": 2}', "expecting ',' delimiter at line 1, column 9"),
        ('{"a": "b\nc"}', "invalid control character at line 1, column 9"),
    ],
)
def test_text_that_is_not_json_says_where_and_why(text: str, message: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        read_document(text.encode())
    assert message in str(caught.value)
    assert "at at" not in str(caught.value)

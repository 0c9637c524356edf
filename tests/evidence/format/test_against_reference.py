"""The engine and the plain reference find the same in documents broken at random."""

from __future__ import annotations

import copy
import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence.format import DocumentRefused, hash_value, verify_document

from . import reference
from .samples import FULL, build, make_source
from .vectors import NAMES, document_bytes, expected, only_members_of

SOURCE = make_source(5)
BASES = [
    SOURCE,
    build(SOURCE, extension_id="pi-weather"),
    build(SOURCE, FULL),
]
ODD_VALUES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        2,
        -1,
        3,
        1.0,
        1.5,
        1e-07,
        1e21,
        2**53,
        -0.0,
        "",
        "deny",
        "[REDACTED]",
        "é😀",
        "},{",
        ',"ledger_hash":"',
        [],
        {},
        [1],
        ["x"],
        {"דּ": 1, "😀": 2},
        {"ledger_hash": "x"},
    ]
)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """List the path of every member and element in the value."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return []
    found = []
    for key, item in items:
        found.append((*path, key))
        found += places(item, (*path, key))
    return found


PLACES = [places(base) for base in BASES]


@st.composite
def broken_documents(draw: st.DrawFn) -> dict[str, Any]:
    which = draw(st.sampled_from(range(len(BASES))))
    document = copy.deepcopy(BASES[which])
    inside = [path for path in PLACES[which] if len(path) > 1]
    for _ in range(draw(st.integers(1, 3))):
        change(draw, document, draw(st.sampled_from(inside)))
    if draw(st.booleans()):
        unsealed = reference.without(document, "bundle_hash")
        document["bundle_hash"] = reference.digest(unsealed)
    return document


def change(draw: st.DrawFn, document: Any, path: tuple) -> None:
    holder = document
    for key in path[:-1]:
        try:
            holder = holder[key]
        except (KeyError, IndexError, TypeError):
            return
    key = path[-1]
    if not isinstance(holder, dict | list):
        return
    if isinstance(holder, list) and not (isinstance(key, int) and key < len(holder)):
        return
    move = draw(st.sampled_from(["replace", "remove", "double", "swap", "add"]))
    if move == "replace":
        holder[key] = draw(ODD_VALUES)
    elif move == "remove" and (isinstance(holder, list) or key in holder):
        del holder[key]
    elif move == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif move == "swap" and isinstance(holder, list):
        other = draw(st.integers(0, len(holder) - 1))
        holder[key], holder[other] = holder[other], holder[key]
    elif move == "add" and isinstance(holder, dict):
        holder[draw(st.sampled_from(["note", "\ufb33", "\U0001f600"]))] = draw(
            ODD_VALUES
        )


def is_bundle(document: dict[str, Any]) -> bool:
    return (
        isinstance(document["risk_ledger"].get("entries"), list)
        and all(isinstance(document[name], list) for name in reference.SECTIONS)
        and isinstance(document["risk_replay"], dict | None)
    )


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(broken_documents(), st.sampled_from([None, 1]), st.booleans())
def test_broken_bundle_gets_the_report_of_the_reference(document, indent, ascii_only):
    data = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    compare(document, data)
    compare(document, orjson.dumps(document))


def compare(document: dict[str, Any], data: bytes) -> None:
    if not is_bundle(document):
        with pytest.raises(DocumentRefused):
            verify_document(data)
        return
    wanted = reference.verify_bundle(document)
    found = verify_document(data).as_dict()["report"]
    assert only_members_of(wanted, found) == wanted


@pytest.mark.parametrize(
    "name",
    [name for name in NAMES if not name.startswith("refused-") and name != "big"],
)
def test_reference_agrees_with_the_vectors(name):
    wanted = expected(name)
    document = reference.read_plainly(document_bytes(name))
    if wanted["kind"] == "ledger":
        assert reference.verify_ledger(document) == wanted["report"]
    elif "source" not in wanted:
        assert reference.verify_bundle(document) == wanted["report"]


def test_hash_of_the_reference_is_that_of_the_engine():
    for base in BASES:
        assert reference.digest(base) == hash_value(base)

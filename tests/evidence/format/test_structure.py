"""A document is told by its top-level members, whatever its size, words or tricks."""

import io
import json
import random
import tracemalloc

import pytest

from evidence.format import DocumentKind
from evidence.format.structure import (
    Form,
    Structure,
    kind_by_structure,
    read_structure,
)
from tests.evidence.format.vectors import FOLDER
from tests.work import at_most

BUNDLE = (FOLDER / "plain.json").read_bytes()
LEDGER = (FOLDER / "ledger-plain.json").read_bytes()
SCHEMA = '"schema": "pi.security.incident_evidence_bundle.v1"'


def pieces(data: bytes, size: int) -> Structure:
    return read_structure(data[at : at + size] for at in range(0, len(data), size))


def kind_of(data: bytes) -> DocumentKind | None:
    return kind_by_structure(read_structure([data]))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (BUNDLE, "bundle"),
        (LEDGER, "ledger"),
        (b'{"risk_ledger": {}, "bundle_hash": "", "security_alerts": []}', "bundle"),
        (b'{"schema": "pi.security.incident_evidence_bundle.v2"}', "bundle"),
        (f'{{"a": [{{}}], {SCHEMA}}}'.encode(), "bundle"),
        (b'{"schema": "x", ' + SCHEMA.encode() + b"}", "bundle"),
        (f"{{{SCHEMA}}}".replace("sch", "s\\u0063h").encode(), "bundle"),
        (f"{{{SCHEMA}}}".replace("pi.sec", "\\u0070i.sec").encode(), "bundle"),
        (b'{"entries": [], "head_ledger_hash": null}', "ledger"),
        (b'{"schema": "pi.security.runtime_risk_ledger.v1"}', "ledger"),
        (BUNDLE[: len(BUNDLE) // 2], "bundle"),  # cut off: still one by its members
        (f'{{"log": {{{SCHEMA}}}}}'.encode(), None),  # a word inside
        (f'{{"message": {json.dumps(SCHEMA)}}}'.encode(), None),
        (b'{"entries": []}', None),
        (b'{"type": "bundle", "id": "bundle--1", "objects": []}', None),
        (f"[{{{SCHEMA}}}]".encode(), None),
        (f"{{{SCHEMA}}}\n{{{SCHEMA}}}".encode(), None),
        (SCHEMA.encode(), None),
        (b"", None),
        (b"  \n", None),
        (b"\x89PNG", None),
    ],
)
def test_kind_is_told_by_top_level_members(data: bytes, kind: str | None) -> None:
    assert kind_of(data) == kind


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize(
    "data", [BUNDLE, LEDGER, b'{"a\\"b": "\\\\", "c": [1, {"]": 2}]}']
)
def test_cuts_between_pieces_change_nothing(data: bytes, size: int) -> None:
    whole = read_structure([data])
    found = pieces(data, size)
    assert (found.members, found.texts, found.form, found.is_whole) == (
        whole.members,
        whole.texts,
        whole.form,
        True,
    )


def test_members_are_those_that_a_parser_finds() -> None:
    chance = random.Random(7)
    texts = ["", "a", '"', "\\", '\\"', "{[", "]}", "é\u2028", "x" * 300, "\\\\"]

    def value(depth: int) -> object:
        pick = chance.randrange(6 if depth < 5 else 4)
        if pick < 4:
            return [chance.choice(texts), 1.5, None, True][pick]
        size = chance.randrange(6)
        if pick == 4:
            return [value(depth + 1) for _ in range(size)]
        return {chance.choice(texts) + str(n): value(depth + 1) for n in range(size)}

    for _ in range(300):
        document = {f"m{n}": value(0) for n in range(chance.randrange(1, 6))}
        data = json.dumps(document, indent=chance.choice([None, 2])).encode()
        found = pieces(data, chance.choice([1, 5, 50, 5000]))
        assert list(found.members) == list(document)
        assert (found.form, found.is_whole) == (Form.OBJECT, True)


@pytest.mark.parametrize(
    ("data", "form", "is_whole"),
    [
        (b"{}", Form.OBJECT, True),
        (b" [1, 2] ", Form.ARRAY, True),
        (b'{"a": 1}\r\n{"a": 2}\n', Form.SEQUENCE, True),
        (b"[1][2]", Form.SEQUENCE, True),
        (b'{"a": 1} and more', Form.OBJECT, False),
        (b'{"a": ', Form.OBJECT, False),
        (b'{"a": [', Form.OBJECT, False),
        (b"{not json}", Form.OBJECT, False),
        (b"2026-03-10 start", Form.OTHER, False),
    ],
)
def test_the_form_is_told(data: bytes, form: Form, is_whole: bool) -> None:
    found = read_structure([data])
    assert (found.form, found.is_whole) == (form, is_whole)


MIB = 1024 * 1024
HOSTILE = {
    "deep nesting": b'{"a":' + b"[" * 8 * MIB,
    "deep objects": b'{"a":' + b'{"a":' * MIB,
    "zigzag": b'{"a":[' + b"[[[[{}]]]]," * MIB,
    "a huge string": b'{"a": "' + b"x" * 8 * MIB,
    "a huge name": b'{"' + b"x" * 8 * MIB,
    "escapes": b'{"a": ["' + b'\\"\\\\' * 2 * MIB,
    "backslashes": b'{"a": [' + b"\\" * 8 * MIB,
    "the same member again": b"{" + b'"schema": 1,' * MIB,
    "many members": b"{" + b"".join(b'"%d":[],' % n for n in range(600_000)),
    "many nested members": b"{" + b'"a":[{"b":"' + b"y" * 300 + b'"}],' * 20_000,
    "white space": b" " * 8 * MIB,
    "a long number": b'{"a": ' + b"1" * 8 * MIB,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_costs_little_work_and_memory(name: str) -> None:
    data = HOSTILE[name]
    stream = io.BytesIO(data)
    tracemalloc.start()
    with at_most(len(data)):
        read_structure(iter(lambda: stream.read(256 * 1024), b""))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 * MIB

"""Every vector gives exactly what its expected file says."""

from __future__ import annotations

import json

import pytest

from evidence.format import (
    IncidentBundleFilter,
    IncidentBundleRedactionPolicy,
    build_bundle,
    read_document,
    serialize_document,
    verify_document,
)
from tests.suites import leave_slow

from .vectors import (
    FOLDER,
    NAMES,
    document_bytes,
    expected,
    only_members_of,
    result_of,
    source_bytes,
)

ALTERED_AFTER_BUILDING = {"leak-not-redacted", "leak-raw-value"}
BUILT_FROM = {
    name: (FOLDER / expected(name)["source"]).name
    for name in NAMES
    if "source" in expected(name) and name not in ALTERED_AFTER_BUILDING
} | {"filtered-time": "filtered-time.source.json"}


def build_again(name: str) -> dict:
    wanted = read_document(document_bytes(name))
    return build_bundle(
        read_document((FOLDER / BUILT_FROM[name]).read_bytes()),
        filter=IncidentBundleFilter.from_dict(wanted["filter"]),
        redaction=IncidentBundleRedactionPolicy.from_dict(wanted["redaction"]),
        generated_at_ms=wanted["generated_at_ms"],
    )


def test_no_vector_is_missing():
    assert len(NAMES) == 52
    assert len(BUILT_FROM) == 4


@pytest.mark.parametrize("name", NAMES)
def test_vector_gives_the_expected_result(name):
    wanted = expected(name)
    wanted.pop("source", None)
    found = result_of(document_bytes(name), source_bytes(name))
    shown = only_members_of(wanted, found)
    # Compared as text: True would equal 1.
    assert json.dumps(shown) == json.dumps(wanted)


@pytest.mark.parametrize("name", BUILT_FROM)
def test_building_gives_the_expected_bundle(name):
    built = build_again(name)
    assert built["bundle_hash"] == expected(name)["report"]["bundle_hash"]
    assert built == read_document(document_bytes(name))


@pytest.mark.parametrize("name", BUILT_FROM)
def test_building_twice_gives_the_same_bytes(name):
    assert serialize_document(build_again(name)) == serialize_document(
        build_again(name)
    )


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("refused-")])
def test_report_holds_json_values_only(name):
    report = verify_document(document_bytes(name), source=source_bytes(name)).as_dict()
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    "name",
    leave_slow([n for n in NAMES if not n.startswith("refused-")], "big"),
)
def test_layout_changes_nothing(name):
    value = json.loads(document_bytes(name))
    spread = json.dumps(value, indent=3, sort_keys=True).encode()
    assert result_of(spread) == result_of(document_bytes(name))

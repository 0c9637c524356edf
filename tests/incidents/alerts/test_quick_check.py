"""The quick check of an alert says yes only where the schema does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.workflow.alert_rules import _SCHEMA, ALERT_SCHEMA, _is_plain
from tests.incidents.alerts.samples import alert_document

TEXTS = st.sampled_from(["", "x", "x" * 100, "x" * 101, "x" * 200, "x" * 4001])
NUMBERS = st.sampled_from([0, 1, -1, 0.5, 1.0, 1.5, -0.0, 2**60, 253_402_300_799_999])
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    TEXTS,
    NUMBERS,
    st.sampled_from(["info", "warning", "error", "critical", "INFO"]),
    st.lists(st.one_of(TEXTS, NUMBERS), max_size=3),
    st.just(["x"] * 101),
    st.just({}),
)
NAMES = st.sampled_from([*ALERT_SCHEMA["properties"], "unknown"])


CHANGES = st.dictionaries(NAMES, ANYTHING, max_size=3)
MISSING = st.sets(NAMES, max_size=1)


@settings(max_examples=200, deadline=None)
@given(CHANGES, MISSING)
def test_quick_check_never_passes_what_the_schema_refuses(
    changes: dict[str, Any], missing: set[str]
) -> None:
    require_agreement(changes, missing)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(CHANGES, MISSING)
def test_quick_check_never_passes_what_the_schema_refuses_at_length(
    changes: dict[str, Any], missing: set[str]
) -> None:
    require_agreement(changes, missing)


def require_agreement(changes: dict[str, Any], missing: set[str]) -> None:
    document = {**alert_document(), **changes}
    for name in missing:
        document.pop(name, None)
    if _is_plain(document):
        assert not _SCHEMA.find_problems(document)


def test_quick_check_passes_what_machines_send() -> None:
    assert _is_plain(alert_document())
    assert _is_plain(alert_document(summary=None, reason_codes=None, risk_score=None))

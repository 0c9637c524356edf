"""The papers that ASVS asks for say what is so: sorts of data, keys, logs, rules."""

from __future__ import annotations

import re
from collections import Counter

from django.apps import apps
from django.conf import settings

from config.environment import FROM_FILES
from evidence.api.records import EVIDENCE_KINDS
from incidents.api.records import INCIDENT_KINDS
from policy.api.records import POLICY_KINDS
from tests.api.test_problem_statuses import CODES
from tests.config.test_asvs_promises import ROOT

DATA = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
MODEL = (ROOT / "docs" / "security-model.md").read_text(encoding="utf-8")
SORTS = ("secret", "case", "person", "house", "proof")
CODE = re.compile(r"`(\w+)`")
KEPT_BACK = re.compile(
    r"password|secret|seed$|digest$|token_key|sealed_seed|private|address_"
)


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one."""
    _, found, rest = text.partition(f"{heading}\n")
    assert found, heading
    return re.split(r"^#{2,3} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of a table's rows, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_table_has_one_sort() -> None:
    sorted_here = section(DATA, "## Which table is of which sort")
    named = Counter(re.findall(r"`(\w+\.\w+)`", sorted_here))
    models = {model._meta.label for model in apps.get_models()}
    assert set(named) == models
    assert [label for label, times in named.items() if times > 1] == []
    assert re.findall(r"^\*\*(\w+)\*\*:", sorted_here, re.MULTILINE) == [*SORTS]


def test_each_sort_has_its_needs() -> None:
    needs = section(DATA, "## What each sort needs")
    assert (
        needs.split("\n|", 2)[1].strip(" |").replace(" ", "").endswith("|".join(SORTS))
    )
    for need, *told in rows(needs):
        assert len(told) == len(SORTS), need
        assert all(told[: len(SORTS) - 1]), need


def test_every_log_is_in_the_inventory() -> None:
    inventory = section(DATA, "## What is written about what happens")
    kept = ("AuditEntry", "RecordedRead", "CustodyEvent", "AccessFailureLog")
    assert all(f".{name}`" in inventory for name in (*kept, "NotificationAttempt"))
    assert {each["class"] for each in settings.LOGGING["handlers"].values()} == {
        "logging.StreamHandler"
    }
    assert "standard error" in inventory
    for what, *told in rows(inventory):
        assert len(told) == 4, what
        assert all(told), what


def test_every_secret_setting_is_in_the_table_of_keys() -> None:
    keys = section(MODEL, "### Keys, from making to end")
    assert sorted(name for name in FROM_FILES if f"`{name}`" not in keys) == []
    assert all(all(row) and len(row) == 6 for row in rows(keys))


def test_what_has_to_fit_together_is_refused_as_it_is_written() -> None:
    known = {code for names in CODES.values() for code in names.split()}
    told = rows(section(MODEL, "### What has to fit together"))
    refusals = {code for *_, last in told for code in CODE.findall(last)}
    assert refusals - known == set()
    assert len(refusals) > 15
    assert all(CODE.search(last) for *_, last in told)


def test_no_resource_gives_out_a_field_that_the_paper_keeps_back() -> None:
    fields = {
        f"{kind.model._meta.label}.{name}"
        for kind in (*EVIDENCE_KINDS, *INCIDENT_KINDS, *POLICY_KINDS)
        for name in kind.fields
    }
    assert len(fields) > 300
    assert sorted(each for each in fields if KEPT_BACK.search(each)) == []

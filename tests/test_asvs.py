"""The table of ASVS 5.0 has every requirement of levels 1 and 2, and tests that are."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "security-model.md"
ROW = re.compile(
    r"^\| (\d+\.\d+\.\d+) \| ([^|]+) \| (holds|partly|fails|n\.a\.) \| ([^|]+) \|$",
    re.MULTILINE,
)
NAMED = re.compile(r"`(tests/[\w/.]+?\.py)(?:::(\w+))?`")
# How many requirements of levels 1 and 2 each section has, by the standard's numbers.
# Those of level 3 stand behind them in all sections but the three below.
LAST = {
    1: (2, 9, 11, 3, 2),
    2: (3, 3, 4, 1),
    3: (0, 2, 4, 6, 5, 0, 2),
    4: (3, 1, 2, 4),
    5: (1, 3, 2, 3),
    6: (3, 12, 4, 4, 5, 3, 0, 4),
    7: (3, 4, 2, 5, 2, 2),
    8: (2, 3, 1, 1),
    9: (3, 4),
    10: (2, 2, 4, 11, 5, 2, 3),
    11: (2, 3, 3, 4, 1, 1),
    12: (3, 2, 4),
    13: (1, 5, 2, 5),
    14: (2, 4, 3),
    15: (3, 3, 7),
    16: (1, 5, 4, 3, 3),
    17: (1, 4, 2),
}


def read_rows() -> list[tuple[str, str, str, str]]:
    return ROW.findall(PAGE.read_text())


def test_table_has_every_requirement_once_and_in_order() -> None:
    expected = [
        f"{chapter}.{section}.{number}"
        for chapter, sections in LAST.items()
        for section, last in enumerate(sections, start=1)
        for number in range(1, last + 1)
    ]
    assert [row[0] for row in read_rows()] == expected


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for number, _, _, held in read_rows():
        for name, test in NAMED.findall(held):
            path = ROOT / name
            text = path.read_text() if path.is_file() else ""
            if not text or (test and not re.search(rf"def {test}\b", text)):
                missing.append((number, name, test))
    assert missing == []


def test_what_holds_names_its_tests_and_the_rest_says_why() -> None:
    for number, _, state, held in read_rows():
        rest = NAMED.sub("", held).strip(" ,")
        if state == "holds":
            assert NAMED.search(held), number
            assert rest == "", number
        else:
            assert rest, number


def test_figures_above_the_table_are_those_of_the_table() -> None:
    counts = Counter(row[2] for row in read_rows())
    told = " ".join(PAGE.read_text().split())
    assert (
        f"Of {counts.total()} requirements {counts['holds']} hold, {counts['partly']} "
        f"partly, {counts['fails']} fail and {counts['n.a.']} do not apply."
    ) in told

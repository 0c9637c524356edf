"""Every way to an account asks whether its name could be taken for another's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evidence.accounts.names import require_own_look
from evidence.errors import PersonError

ROOT = Path(__file__).parents[3]
MAKES_ACCOUNTS = re.compile(
    r"\bUser\(\s*\w+=|create_(?:super)?user\(|createsuperuser\.Command"
)
ASKS = ("require_free_name(", "require_own_look(")
FIXED_NAMES = {"incidents/services/demo.py"}
"""Makes accounts only where there are none, and names them itself."""


def test_whoever_makes_an_account_asks_for_its_name() -> None:
    makers = {
        path.relative_to(ROOT).as_posix(): text
        for app in ("config", "evidence", "policy", "incidents")
        for path in (ROOT / app).rglob("*.py")
        if MAKES_ACCOUNTS.search(text := path.read_text(encoding="utf-8"))
    }
    silent = {
        path for path, text in makers.items() if not any(ask in text for ask in ASKS)
    }
    assert silent == FIXED_NAMES
    assert "evidence/accounts/people.py" in makers


@pytest.mark.parametrize(
    "name",
    [
        # Cyrillic and Greek letters that Unicode's table joins to small capitals only.
        *("\u043airk.tombs", "kirk.to\u043cbs", "kirk.tom\u0432s", "kirk.\u0442ombs"),
        *("\u03bairk.tombs", "kirk.\u03c4ombs", "\u0138irk.tombs"),
        # Insular letters.
        *("ki\ua783k.tombs", "kirk.\ua787ombs"),
        *("kirk_tombs", "kirk.tombs.", "KIRK.TOMBS"),
    ],
)
def test_names_that_are_drawn_alike_are_one(name: str) -> None:
    with pytest.raises(PersonError, match=r"looks like kirk\.tombs"):
        require_own_look(name, ["kirk.tombs"])


@pytest.mark.parametrize("name", ["kirk.tomes", "kirktombs", "kirk.tvmbs", "кирилл"])
def test_names_that_a_reader_tells_apart_are_two(name: str) -> None:
    require_own_look(name, ["kirk.tombs", "kirk.tumbs"])

"""Every way to an account asks whether its name could be taken for another's."""

from __future__ import annotations

import re
from pathlib import Path

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

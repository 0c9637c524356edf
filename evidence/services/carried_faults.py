"""What is wrong with a bundle already, told from what an export would add to it.

A bundle whose ledger is broken is what an INC-3 case is about: it has to be shown as it
is. An export of it passes on the source's faults and says so, and none of its own.
"""

from __future__ import annotations

from collections import Counter
from typing import Any


def find_carried_faults(
    made: dict[str, Any], source: dict[str, Any]
) -> list[dict[str, Any]] | None:
    """Return the ledger's faults that a new bundle has from its source.

    `made` and `source` are the reports over both. None where the new bundle has a
    fault that its source does not have, in its ledger or anywhere else.
    """
    failed = {name for name, status in made["steps"].items() if status == "fail"}
    if failed - {"ledger_chain"}:
        return None
    errors = made["ledger"]["verification_errors"]
    ours = Counter(map(_key, errors))
    theirs = Counter(map(_key, source["ledger"]["verification_errors"]))
    return None if ours - theirs else errors


def _key(error: dict[str, Any]) -> tuple[Any, str]:
    # The index moves where a filter takes entries out; the sequence stays.
    return error["sequence"], error["code"]

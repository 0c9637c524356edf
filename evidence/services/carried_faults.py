"""What is wrong with a bundle already, told from what an export would add to it.

A bundle whose ledger is broken is what an INC-3 case is about: it has to be shown as it
is. An export of it passes on the source's faults and says so, and none of its own.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from evidence.format.filters import filter_names_extension
from evidence.format.ledger import verify_runtime_risk_ledger_artifact
from evidence.format.replay import differing_members
from evidence.format.reports import RuntimeRiskLedgerVerificationReport
from evidence.format.summary import compare_figures, sections_of, summarise

Report = dict[str, Any]
Document = dict[str, Any]


def find_carried_faults(
    made: Report, source: Report, *, document: Document, plain: Document
) -> list[dict[str, Any]] | None:
    """Return the ledger's faults that a new bundle has from its source.

    `made` and `source` are the reports over both, `document` is the new bundle, and
    `plain` the same one with nothing redacted. None where the new bundle has a fault
    that its source does not have, in its ledger or anywhere else. A hash that redacting
    keeps from being recomputed is still the source's fault, and is listed too.
    """
    before = verify_runtime_risk_ledger_artifact(
        plain["risk_ledger"],
        filtered_by_extension=filter_names_extension(plain["filter"]),
    )
    failed = {name for name, status in made["steps"].items() if status == "fail"}
    if "summary_counts" in failed and _tells_of(document, before):
        failed.remove("summary_counts")
    if failed - {"ledger_chain"}:
        return None
    errors = made["ledger"]["verification_errors"]
    ours = Counter(map(_key, errors))
    theirs = Counter(map(_key, source["ledger"]["verification_errors"]))
    if ours - theirs:
        return None
    were = [error.as_dict() for error in before.verification_errors]
    return [*errors, *(error for error in were if _key(error) not in ours)]


def failed_steps(report: Report) -> list[dict[str, str]]:
    """Return which of the five steps a bundle fails, with what is said of each."""
    return [
        {"step": name, "message": report["details"][name]["message"]}
        for name, status in report["steps"].items()
        if status == "fail"
    ]


def _tells_of(document: Document, before: RuntimeRiskLedgerVerificationReport) -> bool:
    """Return whether summary and replay are the ones of the entries before redaction.

    That is where the format takes them from: docs/evidence-format.md, section 8.
    """
    replay, entries = document["risk_replay"], document["risk_ledger"]["entries"]
    figures = summarise(sections_of(document), replay, before)
    rows = compare_figures(document["summary"], figures)
    differing = differing_members(replay, entries, before) if replay else []
    return all(row["ok"] for row in rows) and not differing


def _key(error: dict[str, Any]) -> tuple[Any, str]:
    # The index moves where a filter takes entries out; the sequence stays.
    return error["sequence"], error["code"]

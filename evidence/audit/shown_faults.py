"""What a recorded check found, as who is looking may be told it.

A check is of everything, and everybody who reads history sees that it was made and
whether it holds. Where it found a fault is told of no case that is hidden from them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.apps import apps

from evidence.audit.history import find_case_of_stream
from evidence.models import AuditEntry, HistoryCheck, RecordCheck
from evidence.models.case_bound import CaseBound, hidden_cases, is_case_shown


def shown_faults(check: HistoryCheck | RecordCheck) -> list[dict[str, Any]]:
    """Return the faults that were kept, but for those of what is hidden."""
    faults: list[dict[str, Any]] = check.faults
    if not faults or not _is_any_hidden():
        return faults
    is_shown = _is_stream_shown if isinstance(check, HistoryCheck) else _is_row_shown
    return [fault for fault in faults if is_shown(fault)]


def shown_reached(check: HistoryCheck) -> str:
    """Return the last stream of a part; of a hidden case only that it is of one."""
    case = find_case_of_stream(check.reached)
    if case is None or is_case_shown(case):
        return check.reached
    return check.reached.partition(":")[0] + ":"


def _is_any_hidden() -> bool:
    return any(cases.exists() for cases in hidden_cases())


def _is_stream_shown(fault: dict[str, Any]) -> bool:
    case = find_case_of_stream(fault["stream"])
    if case is not None:
        return is_case_shown(case)
    # What was done to a hidden case and to something else is in the other's stream too.
    place = {"stream": fault["stream"], "sequence": fault["sequence"]}
    is_there = AuditEntry.everything.filter(**place).exists()
    return not is_there or AuditEntry.objects.filter(**place).exists()


def _is_row_shown(fault: dict[str, Any]) -> bool:
    # A row that was deleted or changed does not say any more of which case it was.
    return fault["table"] in _tables_of_no_case()


@cache
def _tables_of_no_case() -> frozenset[str]:
    return frozenset(
        model._meta.db_table
        for model in apps.get_models()
        if not issubclass(model, CaseBound)
    )

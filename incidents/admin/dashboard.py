"""The admin's start page: what burns, what waits, what is mine."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from evidence.models import EvidenceItem, HistoryCheck, Outcome, RecordCheck, StoreFault
from incidents.case_queries import breached, with_running_phase, worst_first
from incidents.models import Alert, AlertDecision, ChecklistItem, Incident
from incidents.phase_views import PhaseView, running_clock
from incidents.services.changes import REVIEW
from incidents.services.notifications.reachability import list_hard_to_reach
from incidents.services.notifications.waiting import (
    SIGNATURES,
    Waiting,
    returned_to,
    waiting_for,
)
from incidents.services.policy_records import standing_kill_all
from incidents.workflow.phases import PHASE_ORDER, Phase
from policy.admin.kill_orders import OrderView, order_views
from policy.models import KillSwitch

BOARD_MAX = 200
LIST_MAX = 10
WORKING_PHASES = PHASE_ORDER[1:]


def add_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard to the start page's context, for those who may see cases."""
    if request.user.has_perm("incidents.view_incident"):
        context["dashboard"] = read_dashboard(request.user, timezone.now())
        context["shown_cases"] = sorted(_shown_cases(context["dashboard"]))
    return context


def _shown_cases(board: dict[str, Any]) -> set[int]:
    """Return the cases that the start page shows something of: who looked is kept."""
    tiles = [case.pk for column in board["columns"] for case, _ in column[1]]
    items = [item.cycle.incident_id for item in board["items"]]
    evidence = [item.incident_id for item, _, _ in board["evidence"]]
    orders = [order.switch.incident_id for order in board["kill_orders"]]
    waiting = [each.incident.pk for each in board["waiting"] if each.incident]
    return {key for key in (*tiles, *items, *evidence, *orders, *waiting) if key}


def read_dashboard(user: User | AnonymousUser, now: dt.datetime) -> dict[str, Any]:
    """Return the numbers and lists of the start page, in a fixed count of queries."""
    visible = Incident.objects.visible_to(user)
    cases = list(
        with_running_phase(worst_first(visible.open()))
        .select_related("playbook_version__playbook", "lead")
        .defer("playbook_version__document")[:BOARD_MAX]
    )
    tiles = [(case, running_clock(case, now)) for case in cases]
    items = _my_items(user)
    evidence = _worrying_evidence(visible.open())
    waiting = waiting_for(user, now=now) if isinstance(user, User) else []
    late_count, evidence_count = breached(visible.open()).count(), evidence.count()
    return {
        "open_count": visible.open().count(),
        "breached_count": late_count,
        "breached_state": "breached" if late_count else "met",
        "evidence_count": evidence_count,
        "evidence_state": "missing" if evidence_count else "valid",
        "item_count": items.count(),
        "columns": _columns(tiles),
        "mine": [pair for pair in tiles if pair[0].lead_id == user.pk][:LIST_MAX],
        "items": list(items[:LIST_MAX]),
        "evidence": _with_words(evidence[:LIST_MAX]),
        "is_cut": len(cases) == BOARD_MAX,
        "broken_history": _broken_history(user),
        "store_faults": _store_faults(user),
        "changed_records": _changed_records(user),
        "kill_all": standing_kill_all(),
        "kill_orders": _kill_orders(user, now),
        "hard_to_reach": list_hard_to_reach(),
        **_alerts_without_case(user),
        "is_reviewer": user.has_perm(REVIEW),
        "waiting": waiting,
        "first_signatures": _first_signatures(waiting),
        "returned": returned_to(user) if isinstance(user, User) else [],
    }


def _first_signatures(waiting: list[Waiting]) -> int:
    """Return how many postmortems to sign are listed where there may be more."""
    count = sum(1 for each in waiting if each.kind == "signature")
    return count if count == SIGNATURES else 0


def _alerts_without_case(user: User | AnonymousUser) -> dict[str, int]:
    """Return how many alerts were kept, and how many the rules have yet to look at."""
    if not user.has_perm("incidents.view_alert"):
        return {}
    waits = Q(decision=AlertDecision.WAITING)
    found: dict[str, int] = Alert.objects.filter(incident__isnull=True).aggregate(
        kept_alert_count=Count("pk", filter=~waits),
        waiting_alert_count=Count("pk", filter=waits),
    )
    return found


def _kill_orders(user: User | AnonymousUser, now: dt.datetime) -> list[OrderView]:
    """Return the orders that nobody confirmed, oldest first, closed cases' too."""
    waiting = KillSwitch.objects.unconfirmed().with_people()
    visible = Incident.objects.visible_to(user)
    return order_views(
        waiting.filter(incident__in=visible).order_by("id")[:LIST_MAX], user, now=now
    )


def _broken_history(user: User | AnonymousUser) -> HistoryCheck | None:
    """Return the check of the audit history whose faults stand."""
    if not user.has_perm("evidence.view_historycheck"):
        return None
    check = HistoryCheck.objects.standing()
    return check if check and not check.is_passing else None


def _changed_records(user: User | AnonymousUser) -> RecordCheck | None:
    """Return the newest check of the rows where it found differences."""
    if not user.has_perm("evidence.view_recordcheck"):
        return None
    check = RecordCheck.objects.first()
    return check if check and not check.is_passing else None


def _store_faults(user: User | AnonymousUser) -> int:
    """Return how many stored files are damaged or missing, for who may see them."""
    if not user.has_perm("evidence.view_storefault"):
        return 0
    return StoreFault.objects.standing().count()


def _columns(
    tiles: list[tuple[Incident, PhaseView | None]],
) -> list[tuple[Phase | None, list[tuple[Incident, PhaseView | None]]]]:
    """Return the open cases by the phase that runs; None is ready to close."""
    columns: dict[Phase | None, list[tuple[Incident, PhaseView | None]]] = {
        phase: [] for phase in WORKING_PHASES
    }
    columns[None] = []
    for case, view in tiles:
        columns[view.phase.name if view else None].append((case, view))
    return list(columns.items())


def _my_items(user: User | AnonymousUser) -> QuerySet[ChecklistItem]:
    return (
        ChecklistItem.objects.waiting()
        .filter(
            Q(assignee_id=user.pk),
            cycle__incident__in=Incident.objects.visible_to(user).open(),
        )
        .select_related("cycle__incident")
    )


def _worrying_evidence(cases: QuerySet[Incident]) -> QuerySet[EvidenceItem]:
    """Return what is not verified, of the newest cases first: as its index has it."""
    return (
        EvidenceItem.objects.unverified()
        .filter(incident__in=cases)
        .select_related("incident")
        .order_by("-incident_id", "-received_at")
    )


def _with_words(items: QuerySet[EvidenceItem]) -> list[tuple[EvidenceItem, str, str]]:
    """Return each item with its outcome in words, and the state to draw it by."""
    rows = []
    for item in items:
        outcome = item.latest_outcome
        words = Outcome(outcome).label if outcome else "Waiting to be verified"
        rows.append((item, words, outcome or "pending"))
    return rows

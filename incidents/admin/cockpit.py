"""The incident page: its header, its phase bar and one tab at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Prefetch
from django.http import Http404, HttpRequest
from django.utils import timezone

from evidence.admin.base import read_key
from evidence.audit.history import incident_stream
from evidence.audit.reads.looking import who_looked
from evidence.loading import load_people
from evidence.models import AuditEntry
from evidence.models.case_bound import is_shown
from evidence.tones import tone_of
from incidents.admin.case_head import CaseHead, head_of
from incidents.admin.case_watch import watch_context, with_mark
from incidents.admin.checklist_tab import checklist_tab
from incidents.admin.evidence_tab import evidence_tab
from incidents.admin.finding_views import view_findings
from incidents.admin.hold_actions import hold_context
from incidents.admin.mark_actions import waiting_loosenings
from incidents.admin.picture_tab import picture_tab
from incidents.admin.policy_tab import policy_tab
from incidents.admin.postmortem_views import postmortem_summary
from incidents.admin.pruning import pruning_context
from incidents.admin.restriction_actions import restriction_context
from incidents.admin.timeline_tab import timeline_tab
from incidents.case_queries import with_hold
from incidents.models import (
    AlertAssignment,
    Cycle,
    CycleEnding,
    Incident,
    IncidentPhase,
)
from incidents.phase_views import PhaseView, view_phase
from incidents.services.alerts.taking_over import find_leftovers
from incidents.services.changes import REVIEW, WORK
from incidents.services.gates.conditions import TITLES
from incidents.services.lifecycle.shown_classes import other_classes, propose_class
from incidents.services.notifications.reachability import reach_of_case
from incidents.services.policy_records import CaseSwitches, read_switches
from incidents.workflow.phases import Phase
from policy.admin.kill_orders import OrderView, order_views

TabContext = Callable[[HttpRequest, Incident, Cycle, CaseSwitches], dict[str, Any]]
HISTORY_PAGE = 50
PEOPLE = (
    *("lead", "opened_by", "closed_by"),
    *("cycles__ending__lead", "cycles__ending__ended_by"),
    *("cycles__phases__completed_by", "cycles__phases__due_set_by"),
    *("cycles__phases__waivers__waived_by", "cycles__phases__waivers__revoked_by"),
)
"""Who is named in a case's head and on its phases."""


@dataclass(frozen=True)
class Tab:
    """One tab: only the one that is shown gathers its context."""

    key: str
    label: str
    context: TabContext
    is_of_today: bool = False
    """It shows what the case holds now, whichever cycle is looked at."""

    @property
    def template(self) -> str:
        return f"incidents/cockpit/{self.key}.html"


def history_tab(
    request: HttpRequest, incident: Incident, cycle: Cycle, switches: CaseSwitches
) -> dict[str, Any]:
    """Return the audit entries of the case, newest first, a page at a time."""
    before = read_key(request.GET.get("before", ""))
    rows = AuditEntry.objects.filter(stream=incident_stream(incident.pk))
    if before:
        rows = rows.filter(sequence__lt=before)
    entries = list(rows.order_by("-sequence")[: HISTORY_PAGE + 1])
    more = entries[HISTORY_PAGE - 1].sequence if len(entries) > HISTORY_PAGE else None
    may_see = request.user.has_perm("evidence.view_auditentry")
    return {
        "entries": entries[:HISTORY_PAGE],
        "more_before": more,
        "looked": who_looked(incident.pk) if may_see and not before else None,
    }


def alerts_tab(
    request: HttpRequest, incident: Incident, cycle: Cycle, switches: CaseSwitches
) -> dict[str, Any]:
    """Return the alerts that belong to the case, newest first."""
    alerts = incident.alerts.select_related("extension").order_by("-happened_at", "-pk")
    return {"alerts": alerts[:200], "alert_count": incident.alerts.count()}


def postmortem_tab(
    request: HttpRequest, incident: Incident, cycle: Cycle, switches: CaseSwitches
) -> dict[str, Any]:
    """Return the gate of POSTMORTEM; the postmortem itself has pages of its own."""
    return {
        **checklist_tab(request, incident, cycle, switches, phase=Phase.POSTMORTEM),
        **postmortem_summary(cycle),
    }


TABS: tuple[Tab, ...] = (
    Tab("checklist", "Checklist", checklist_tab),
    Tab("timeline", "Timeline", timeline_tab, is_of_today=True),
    Tab("picture", "What happened", picture_tab, is_of_today=True),
    Tab("evidence", "Evidence", evidence_tab, is_of_today=True),
    Tab("policy", "Policy and trust", policy_tab, is_of_today=True),
    Tab("alerts", "Alerts", alerts_tab, is_of_today=True),
    Tab("postmortem", "Postmortem", postmortem_tab),
    Tab("history", "History", history_tab, is_of_today=True),
)


def find_incident(request: HttpRequest, incident_id: str) -> Incident:
    """Return the case with all its page reads; 404 for a hidden and a missing one."""
    endings = Cycle.objects.select_related(
        "ending__original", "ending__playbook_version__playbook"
    )
    # Those of one cycle, each: the order of cycles among them says nothing.
    phases = IncidentPhase.objects.select_related("gate_record").order_by("position")
    visible = Incident.objects.visible_to(request.user)
    rows = (
        with_hold(with_mark(visible, read_key(incident_id) or 0))
        .select_related("playbook_version__playbook", "team", "duplicate_of")
        .prefetch_related("extensions", "ticket_links", "related", "duplicates")
        .prefetch_related(
            Prefetch("cycles", endings),
            Prefetch("cycles__phases", phases.prefetch_related("waivers")),
        )
    )
    try:
        found = rows.get()
    except Incident.DoesNotExist as error:
        raise Http404 from error
    load_people([found], *PEOPLE)
    return found


def cockpit_context(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    """Return everything that the incident page shows."""
    now = timezone.now()
    cycle = _chosen_cycle(request, incident)
    is_past = cycle != incident.current_cycle
    is_live = incident.is_open and not is_past
    phases = [view_phase(phase, now, is_live=is_live) for phase in cycle.phases.all()]
    waivers = [waiver for phase in phases for waiver in phase.phase.waivers.all()]
    tab = _chosen_tab(request)
    can_work = is_live and request.user.has_perm(WORK)
    switches = read_switches(incident)
    containment = _containment(request, incident, switches, now)
    head = head_of(incident, cycle)
    running = next((phase for phase in phases if phase.is_running), None)
    return {
        **watch_context(incident),
        "incident": incident,
        "head": head,
        "cycle": cycle,
        "is_live": is_live,
        "phases": [_with_order(phase, containment["kill_orders"]) for phase in phases],
        "running": running,
        "head_state": _head_state(
            head, running, [] if is_past else containment["kill_orders"]
        ),
        "is_complete": is_live and all(phase.is_complete for phase in phases),
        "hard_to_reach": reach_of_case(incident) if is_live else [],
        "waivers": [waiver for waiver in waivers if waiver.is_in_force],
        "revoked_waivers": [waiver for waiver in waivers if not waiver.is_in_force],
        "tabs": TABS,
        "tab": tab,
        "can_work": can_work,
        "can_review": is_live and request.user.has_perm(REVIEW),
        "ending": _shown_ending(cycle),
        "is_past": is_past,
        **(_shown_classes(incident) if is_live else {}),
        "is_emptied": is_live and _is_emptied(incident),
        "can_reopen": _can_reopen(request, incident, cycle),
        "can_mark": not is_past and request.user.has_perm(WORK),
        **restriction_context(request, incident),
        **hold_context(request, incident),
        **pruning_context(request, incident),
        "loosenings": waiting_loosenings(incident, request.user),
        "can_take_over": _can_take_over(request, incident, cycle),
        "condition_titles": TITLES,
        **containment,
        "now": now,
        **tab.context(request, incident, cycle, switches),
    }


def _shown_ending(cycle: Cycle) -> CycleEnding | None:
    """Return how a cycle ended, without an original that is hidden from the reader."""
    ending: CycleEnding | None = getattr(cycle, "ending", None)
    if ending and ending.original and not is_shown(ending.original):
        ending.original = None
    return ending


def _shown_classes(incident: Incident) -> dict[str, Any]:
    """Return what the evidence shows: the class of a case of none, and others."""
    proposed = propose_class(incident)
    code = proposed.code if proposed else ""
    return {
        "proposed_class": proposed,
        "proposed_reasons": view_findings(proposed.reasons) if proposed else [],
        "other_classes": [
            shown for shown in other_classes(incident) if shown.code != code
        ],
    }


def _with_order(view: PhaseView, orders: list[OrderView]) -> PhaseView:
    """Return a phase in amber where it was completed on an order that still waits."""
    record = getattr(view.phase, "gate_record", None) if orders else None
    if record is None or not any(
        condition["is_ordered"] for condition in record.conditions
    ):
        return view
    words = f"{view.words}, on an unconfirmed order"
    return replace(view, is_on_order=True, words=words)


def _head_state(
    head: CaseHead, running: PhaseView | None, orders: list[OrderView]
) -> str:
    """Return what the header's tone stands for: never calm over an open order."""
    state = running.light if running else head.status
    return "ordered" if orders and tone_of(state) not in ("warn", "late") else state


def _containment(
    request: HttpRequest,
    incident: Incident,
    switches: CaseSwitches,
    now: dt.datetime,
) -> dict[str, Any]:
    """Return the orders that wait for their confirmation, and what stays in force.

    A closed case shows its own orders only: those of others are no longer its matter.
    """
    orders = switches.orders
    if not incident.is_open:
        orders = [order for order in orders if order.incident_id == incident.pk]
    return {
        "kill_orders": order_views(orders, request.user, now=now),
        "kill_all": switches.kill_all if incident.is_open else None,
        "closing_orders": switches.own_orders if incident.is_open else (),
    }


def _is_emptied(incident: Incident) -> bool:
    """Return whether every alert that the case had was moved away."""
    if incident.alerts.exists():
        return False
    return AlertAssignment.objects.filter(previous_incident=incident).exists()


def _can_reopen(request: HttpRequest, incident: Incident, cycle: Cycle) -> bool:
    """Return whether to offer it: beside the case as it stands, not a past cycle."""
    is_past = cycle != incident.current_cycle
    return not (incident.is_open or is_past) and request.user.has_perm(REVIEW)


def _can_take_over(request: HttpRequest, incident: Incident, cycle: Cycle) -> bool:
    """Return whether a duplicate holds what can be taken over by or from this case."""
    if cycle != incident.current_cycle or not request.user.has_perm(REVIEW):
        return False
    return bool(find_leftovers(incident))


def _chosen_cycle(request: HttpRequest, incident: Incident) -> Cycle:
    wanted = request.GET.get("cycle", "")
    if not wanted:
        return incident.current_cycle
    for cycle in incident.cycles.all():
        if str(cycle.number) == wanted:
            return cycle
    raise Http404


def _chosen_tab(request: HttpRequest) -> Tab:
    wanted = request.GET.get("tab", TABS[0].key)
    for tab in TABS:
        if tab.key == wanted:
            return tab
    raise Http404

"""What the page of an extension shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import (
    F,
    Q,
)
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from evidence.models import Outcome
from evidence.models.case_bound import listed
from evidence.plots import draw_risk
from policy.admin.kill_orders import order_views
from policy.models import (
    Extension,
    ExtensionAppearance,
    KillSwitch,
    PromotionRequest,
    RequestState,
)
from policy.rules.capabilities import Capability
from policy.rules.precedence import evaluate_all
from policy.rules.trust import (
    ALLOWED_MOVES,
    CAPABILITIES_BY_TRUST,
    TrustState,
    needs_reviewer,
)
from policy.services import extensions, quotas, trust
from policy.services.requests import lapses_at
from policy.services.snapshots import newest_snapshot, read_snapshot

SHOWN = 50
MERGED_POINTS = 600
MERGED_BUNDLES = 20


def pending_promotion(extension: Extension) -> PromotionRequest | None:
    return extension.promotion_requests.filter(state=RequestState.PENDING).first()


def trust_table() -> dict[str, Any]:
    """Return the states with what each lets through, and the moves between them."""
    order = [
        TrustState.QUARANTINED,
        TrustState.UNKNOWN,
        TrustState.PROBATION,
        TrustState.TRUSTED,
    ]
    return {
        "states": order,
        "rows": [
            (cap, [cap in CAPABILITIES_BY_TRUST[state] for state in order])
            for cap in Capability
        ],
        "moves": [
            (start, end, needs_reviewer(start, end))
            for start, ends in ALLOWED_MOVES.items()
            for end in sorted(ends)
        ],
    }


def extension_context(request: HttpRequest, extension: Extension) -> dict[str, Any]:
    """Return everything that the page of an extension shows."""
    incidents: Any = extension.incidents
    alerts: Any = listed(extension.alerts.all())
    visible = incidents.model.objects.visible_to(request.user)
    appearances = list(
        listed(extension.appearances.all())
        .filter(item__incident__in=visible)
        .select_related("item")
        .annotate(latest_outcome=F("item__latest_outcome"))
        .order_by("-last_at", "-id")[: SHOWN + 1]
    )
    trusted = [row for row in appearances if row.latest_outcome != Outcome.FAILED]
    pending = pending_promotion(extension)
    switches = list(KillSwitch.objects.covering(extension).with_people()[:SHOWN])
    return {
        "extension": extension,
        "versions": extension.versions.all(),
        "lookalikes": extensions.find_lookalikes(extension.extension_id),
        "pending": pending,
        "lapses_at": lapses_at(pending) if pending else None,
        "transitions": extension.trust_transitions.select_related(
            "incident", "approved_by"
        )[:SHOWN],
        "switches": switches,
        "is_stopped": trust.has_active_kill_switch(extension),
        "orders": order_views(switches, request.user),
        "cases": incidents.filter(pk__in=visible).order_by("-detected_at", "-pk")[
            :SHOWN
        ],
        "alerts": alerts.filter(Q(incident=None) | Q(incident__in=visible))
        .defer("document")
        .select_related("incident")
        .order_by("-happened_at", "-pk")[:10],
        "alert_count": alerts.count(),
        "appearances": appearances[:SHOWN],
        "more_appearances": len(appearances) > SHOWN,
        "plot": draw_risk(merge_plots(trusted[:MERGED_BUNDLES])),
        "untrusted_count": len(appearances) - len(trusted),
        "quota_changes": extension.quota_changes.select_related("changed_by")[:10],
        "breaches": quotas.summarise_stored_breaches(extension),
        "untrusted_breach_count": quotas.count_untrusted_breaches(extension),
        **_in_force(extension),
        **_asked_moment(request, extension),
    }


def _in_force(extension: Extension) -> dict[str, Any]:
    """Return override, quota and decisions by the newest snapshot of all."""
    snapshot = newest_snapshot()
    quota = quotas.quota_in_force(extension, snapshot=snapshot)
    if snapshot is None:
        return {"quota": quota, "override": None, "decisions": []}
    policy = read_snapshot(snapshot).effective
    trusted = CAPABILITIES_BY_TRUST[TrustState(extension.trust_state)]
    return {
        "quota": quota,
        "override": policy.per_extension.get(extension.extension_id),
        "decisions": [
            (capability, decided, capability in trusted)
            for capability, decided in evaluate_all(
                policy, extension.extension_id
            ).items()
        ],
    }


def _asked_moment(request: HttpRequest, extension: Extension) -> dict[str, Any]:
    """Return the trust at the moment that the page was asked for, if it was."""
    text = request.GET.get("at", "").strip()
    if not text:
        return {"asked": ""}
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        return {"asked": text, "asked_fault": "Write a moment as 2026-03-10 12:00."}
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    state = trust.trust_state_at(extension, moment)
    return {"asked": text, "asked_at": moment, "asked_state": state}


def merge_plots(appearances: Sequence[ExtensionAppearance]) -> dict[str, Any]:
    """Return one plot of an extension's risk over the bundles it appears in.

    Bundles overlap: a point at the same moment with the same score is drawn once.
    """
    plots = [appearance.plot for appearance in appearances if appearance.plot]
    points = {(p[1], p[2]): p for plot in plots for p in plot["line"]}
    if not points:
        return {}
    line = [points[key] for key in sorted(points)]
    actions = {name for plot in plots for name in plot["marks"]}
    marks = {
        name: list(
            {
                (p[1], p[2]): p for plot in plots for p in plot["marks"].get(name, ())
            }.values()
        )[:MERGED_POINTS]
        for name in sorted(actions)
    }
    return {
        "first_ts_ms": line[0][1],
        "last_ts_ms": line[-1][1],
        "point_count": sum(plot["point_count"] for plot in plots),
        "line": _thinned(line),
        "marks": marks,
        "action_counts": _action_counts(plots),
        "break_ts_ms": None,
        "break_index": None,
    }


def _thinned(line: list[Any]) -> list[Any]:
    """Return at most MERGED_POINTS points, the highest of each stretch."""
    if len(line) <= MERGED_POINTS:
        return line
    width = -(-len(line) // MERGED_POINTS)
    stretches = [line[i : i + width] for i in range(0, len(line), width)]
    return [max(stretch, key=lambda point: point[2]) for stretch in stretches]


def _action_counts(plots: list[dict[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for plot in plots:
        for name, number in plot["action_counts"].items():
            counts[name] = counts.get(name, 0) + number
    return counts

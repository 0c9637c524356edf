"""Kill switches: the audit view with its export, and the page of each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display

from evidence.admin.base import person_of
from evidence.admin.telling import Waiting
from evidence.templatetags.casefile import badge
from policy.admin import forms
from policy.admin.kill_orders import order_views
from policy.admin.pages import OfVisibleIncident, PageAction, PageAdmin
from policy.admin.reasoned import on_request, on_row, while_waiting
from policy.exports import list_events, write_csv, write_json
from policy.models import KillSwitch, LiftRequest, PromotionRequest, RequestState
from policy.rules.kill_switch import KillSwitchScope, KillSwitchState
from policy.services import kill_switches, lifts, releases
from policy.services.changes import REVIEW_POLICY, WORK_POLICY
from policy.services.concerned_cases import (
    is_before_remediate,
)
from policy.services.requests import lapses_at

EXPORT_SIZE = 10_000


class StateFilter(SimpleListFilter):
    """By how far a kill switch has come."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("active", "Active: not lifted"),
            (KillSwitchState.ORDERED.value, "Ordered, not confirmed"),
            (KillSwitchState.CONFIRMED.value, "Confirmed"),
            (KillSwitchState.LIFTED.value, "Lifted"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "active":
                return queryset.filter(lift__isnull=True)
            case KillSwitchState.ORDERED:
                return queryset.filter(lift__isnull=True, confirmation__isnull=True)
            case KillSwitchState.CONFIRMED:
                return queryset.filter(lift__isnull=True, confirmation__isnull=False)
            case KillSwitchState.LIFTED:
                return queryset.filter(lift__isnull=False)
        return queryset


def _pending(switch: KillSwitch) -> LiftRequest | None:
    return switch.lift_requests.filter(state=RequestState.PENDING).first()


def _may_approve(switch: KillSwitch, user: Any) -> bool:
    return bool(switch.ordered_by_id != user.pk)


def _release(switch: KillSwitch) -> PromotionRequest | None:
    """Return one of the requests of a release that waits; all are one person's."""
    return releases.pending_release(switch).first()


def _holds(switch: KillSwitch) -> bool:
    is_over = switch.scope == KillSwitchScope.ALL and hasattr(switch, "lift")
    return is_over and _release(switch) is None and releases.held_by(switch).exists()


def _confirm(request: HttpRequest, switch: KillSwitch, data: dict[str, Any]) -> str:
    _, created = kill_switches.confirm_kill_switch(
        kill_switch_id=switch.pk,
        means=data["means"],
        effective_at=data["effective_at"],
        actor=person_of(request),
    )
    return "Confirmed." if created else "It was confirmed before; that stays."


_request_lift = on_row(
    lifts.request_lift,
    "kill_switch_id",
    Waiting(
        "A lift is requested. A reviewer other than you and who activated decides."
    ),
)
_decline = on_request(lifts.decline_lift, "The lift is declined.")
_withdraw = on_request(lifts.withdraw_lift, "Your request is withdrawn.")
_decline_release = on_row(
    releases.decline_release, "kill_switch_id", "The release is declined."
)
_withdraw_release = on_row(
    releases.withdraw_release, "kill_switch_id", "Your request is withdrawn."
)


def _approve(request: HttpRequest, switch: KillSwitch, data: dict[str, Any]) -> str:
    lifts.approve_lift(
        request_id=forms.chosen_request(switch, data),
        exception=data["exception"],
        actor=person_of(request),
    )
    return "The kill switch is lifted. Trust stays quarantined until it is promoted."


def _request_release(
    request: HttpRequest, switch: KillSwitch, data: dict[str, Any]
) -> str:
    asked = releases.request_release(
        kill_switch_id=switch.pk,
        reason=data["reason"],
        actor=person_of(request),
    )
    return Waiting(
        f"Asked for {len(asked)} extensions. A reviewer other than you decides."
    )


def _approve_release(
    request: HttpRequest, switch: KillSwitch, data: dict[str, Any]
) -> str:
    moves = releases.approve_release(
        kill_switch_id=switch.pk,
        exception=data["exception"],
        actor=person_of(request),
    )
    return f"{len(moves)} extensions are on probation."


@admin.register(KillSwitch)
class KillSwitchAdmin(OfVisibleIncident, PageAdmin):
    list_display = (
        "target",
        "state",
        "case",
        "ordered_at",
        "ordered_by",
        "effective_at",
        "lifted_at",
        "previous",
        "reason",
    )
    list_display_links = ("target",)
    list_filter = (StateFilter, "scope", ("ordered_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = (
        "extension__extension_id",
        "incident__reference",
        "ordered_by__username",
        "reason",
    )
    search_help_text = "Extension, case, person or reason"
    actions = ("export_csv", "export_json")
    list_before_template = "policy/_export_links.html"
    page_template = "policy/kill_switch.html"
    page_actions = {
        "confirm": PageAction(
            "It took effect",
            "Record that it took effect",
            forms.ConfirmForm,
            _confirm,
            kill_switches.CONFIRM,
            tone="main",
            icon="check_circle",
            applies=lambda kill_switch: kill_switch.state is KillSwitchState.ORDERED,
        ),
        "request": PageAction(
            "Request a lift",
            "Ask a reviewer",
            forms.ReasonForm,
            _request_lift,
            WORK_POLICY,
            applies=lambda kill_switch: (
                kill_switch.state is not KillSwitchState.LIFTED
                and _pending(kill_switch) is None
            ),
        ),
        **while_waiting(
            _pending,
            {
                "approve": PageAction(
                    "Approve the lift",
                    "Lift the kill switch",
                    forms.ApproveForm,
                    _approve,
                    REVIEW_POLICY,
                    tone="main",
                    offered_to=_may_approve,
                ),
                "decline": PageAction(
                    "Decline the lift",
                    "Decline it",
                    forms.DeclineForm,
                    _decline,
                    REVIEW_POLICY,
                ),
                "withdraw": PageAction(
                    "Withdraw the request",
                    "Withdraw it",
                    forms.WithdrawForm,
                    _withdraw,
                    WORK_POLICY,
                ),
            },
        ),
        "release": PageAction(
            "Release all that it holds",
            "Ask a reviewer",
            forms.ReasonForm,
            _request_release,
            WORK_POLICY,
            help="One request to put all of them on probation; a reviewer decides.",
            icon="lock_open",
            applies=_holds,
        ),
        **while_waiting(
            _release,
            {
                "approve-release": PageAction(
                    "Approve the release",
                    "Put all on probation",
                    forms.ApproveReleaseForm,
                    _approve_release,
                    REVIEW_POLICY,
                    tone="main",
                ),
                "decline-release": PageAction(
                    "Decline the release",
                    "Decline it",
                    forms.ReasonForm,
                    _decline_release,
                    REVIEW_POLICY,
                ),
                "withdraw-release": PageAction(
                    "Withdraw the release",
                    "Withdraw it",
                    forms.OptionalReasonForm,
                    _withdraw_release,
                    WORK_POLICY,
                ),
            },
        ),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[KillSwitch]:
        rows: Any = super().get_queryset(request)
        return rows.with_people()

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("policy.view_killswitch")

    @display(description="Stops", ordering="extension__extension_id")
    def target(self, switch: KillSwitch) -> str:
        return str(switch.extension or "All extensions")

    @display(description="Case", ordering="incident__reference")
    def case(self, switch: KillSwitch) -> str:
        return str(switch.incident.reference)

    @display(description="State")
    def state(self, switch: KillSwitch) -> SafeString:
        return badge(switch.state.value)

    @display(description="Took effect")
    def effective_at(self, switch: KillSwitch) -> Any:
        row = getattr(switch, "confirmation", None)
        return row.effective_at if row else None

    @display(description="Lifted")
    def lifted_at(self, switch: KillSwitch) -> Any:
        row = getattr(switch, "lift", None)
        return row.lifted_at if row else None

    @display(description="Trust before")
    def previous(self, switch: KillSwitch) -> str:
        return switch.previous_trust or "–"

    @action(description="Export these as CSV", permissions=["export"])
    def export_csv(
        self, request: HttpRequest, queryset: QuerySet[KillSwitch]
    ) -> HttpResponse:
        return _download(write_csv(queryset[:EXPORT_SIZE]), "csv")

    @action(description="Export these as JSON", permissions=["export"])
    def export_json(
        self, request: HttpRequest, queryset: QuerySet[KillSwitch]
    ) -> HttpResponse:
        return _download(write_json(queryset[:EXPORT_SIZE]), "json")

    def get_urls(self) -> list[URLPattern]:
        view = require_GET(self.export_view)
        return [self.page("export.<slug:form>", view, "export"), *super().get_urls()]

    def export_view(self, request: HttpRequest, form: str) -> HttpResponse:
        """Export what the list shows under the same filters."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        rows = self.get_changelist_instance(request).get_queryset(request)
        switches = rows.order_by("-id")[:EXPORT_SIZE]
        if form == "csv":
            return _download(write_csv(switches), "csv")
        return _download(write_json(switches), "json")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"export_query": request.GET.urlencode()}
        response: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), **context}
        )
        return response

    def page_context(self, request: HttpRequest, obj: KillSwitch) -> dict[str, Any]:
        pending = _pending(obj)
        return {
            "switch": obj,
            "instruction": kill_switches.instruction_for(obj),
            "events": list(list_events([obj])),
            "pending": pending,
            "lapses_at": lapses_at(pending) if pending else None,
            "orders": order_views([obj], request.user),
            "held_count": releases.held_by(obj).count(),
            "release": _release(obj),
            "release_count": releases.pending_release(obj).count(),
            "requests": obj.lift_requests.select_related("requested_by", "decided_by"),
            "is_early": is_before_remediate(obj.incident),
        }


def _download(text: str, form: str) -> HttpResponse:
    media = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
    name = f"kill-switches.{form}"
    return HttpResponse(
        text,
        content_type=media[form],
        headers={
            "Content-Disposition": content_disposition_header(True, name) or "",
            "Cache-Control": "private, no-store",
        },
    )

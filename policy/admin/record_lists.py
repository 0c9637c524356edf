"""Lists of records that need no page: moves of trust, requests, quotas, breaches."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin
from evidence.templatetags.casefile import badge
from policy.admin.pages import OfVisibleIncident
from policy.models import (
    LiftRequest,
    PromotionRequest,
    QuotaBreach,
    QuotaChange,
    TrustTransition,
)


@admin.register(TrustTransition)
class TrustTransitionAdmin(ReadOnlyAdmin):
    list_display = (
        "moved_at",
        "extension",
        "from_badge",
        "to_badge",
        "reason",
        "incident",
        "requested_by_name",
        "approved_by",
    )
    list_select_related = ("extension", "incident", "approved_by")
    list_filter = ("to_state", ("moved_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_per_page = 50
    search_fields = (
        "extension__extension_id",
        "incident__reference",
        "requested_by_name",
    )

    @display(description="From", ordering="from_state")
    def from_badge(self, move: TrustTransition) -> SafeString:
        return badge(move.from_state)

    @display(description="To", ordering="to_state")
    def to_badge(self, move: TrustTransition) -> SafeString:
        return badge(move.to_state)


@admin.register(PromotionRequest)
class PromotionRequestAdmin(ReadOnlyAdmin):
    list_display = (
        "requested_at",
        "extension",
        "to_state",
        "state_badge",
        "requested_by",
        "decided_by",
        "decision_reason",
    )
    list_select_related = ("extension", "requested_by", "decided_by")
    list_filter = ("state",)
    search_fields = ("extension__extension_id", "requested_by__username")

    @display(description="State", ordering="state")
    def state_badge(self, request: PromotionRequest) -> SafeString:
        return badge(request.state)


@admin.register(LiftRequest)
class LiftRequestAdmin(OfVisibleIncident, ReadOnlyAdmin):
    incident_path = "kill_switch__incident"
    list_display = (
        "requested_at",
        "kill_switch",
        "state_badge",
        "requested_by",
        "decided_by",
        "decision_reason",
    )
    list_select_related = ("kill_switch__extension", "requested_by", "decided_by")
    list_filter = ("state",)

    @display(description="State", ordering="state")
    def state_badge(self, request: LiftRequest) -> SafeString:
        return badge(request.state)


@admin.register(QuotaChange)
class QuotaChangeAdmin(ReadOnlyAdmin):
    list_display = (
        "changed_at",
        "extension",
        "from_mb",
        "to_mb",
        "reason",
        "documentation",
        "incident",
        "changed_by",
    )
    list_select_related = ("extension", "incident", "changed_by")
    search_fields = ("extension__extension_id", "incident__reference")


@admin.register(QuotaBreach)
class QuotaBreachAdmin(OfVisibleIncident, ReadOnlyAdmin):
    incident_path = "item__incident"
    list_display = (
        "breached_at",
        "extension",
        "resource",
        "limit",
        "actual",
        "times_over",
        "item",
    )
    list_select_related = ("extension", "item")
    list_filter = (("breached_at", RangeDateTimeFilter), "resource")
    list_filter_submit = True
    list_per_page = 50
    search_fields = ("extension__extension_id", "resource")

    @display(description="Times the limit")
    def times_over(self, breach: QuotaBreach) -> str:
        return f"{breach.actual / breach.limit:.2f}" if breach.limit else "–"

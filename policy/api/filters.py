"""What lists of the policy app can be narrowed by."""

from __future__ import annotations

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from evidence.api.filters import MomentFilter
from evidence.models.choices import choices_of
from policy.models import (
    Extension,
    KillSwitch,
    PolicySnapshot,
    Rollback,
    RollbackState,
    ScanClassification,
    ScanEntry,
    ScanReport,
    TrustTransition,
)
from policy.rules.kill_switch import KillSwitchScope, KillSwitchState
from policy.rules.trust import TrustState


class ExtensionFilter(filters.FilterSet):
    extension_id = filters.CharFilter()
    trust_state = filters.MultipleChoiceFilter(choices=choices_of(TrustState))
    incident = filters.CharFilter(field_name="incidents__reference")

    class Meta:
        model = Extension
        fields = ()


class TrustTransitionFilter(filters.FilterSet):
    extension = filters.CharFilter(field_name="extension__extension_id")
    incident = filters.CharFilter(field_name="incident__reference")
    to_state = filters.MultipleChoiceFilter(choices=choices_of(TrustState))
    moved_after = MomentFilter("moved_at", "gte")
    moved_before = MomentFilter("moved_at", "lt")

    class Meta:
        model = TrustTransition
        fields = ()


class KillSwitchFilter(filters.FilterSet):
    extension = filters.CharFilter(field_name="extension__extension_id")
    incident = filters.CharFilter(field_name="incident__reference")
    scope = filters.ChoiceFilter(choices=choices_of(KillSwitchScope))
    state = filters.ChoiceFilter(
        choices=choices_of(KillSwitchState), method="filter_state"
    )
    ordered_after = MomentFilter("ordered_at", "gte")
    ordered_before = MomentFilter("ordered_at", "lt")

    class Meta:
        model = KillSwitch
        fields = ()

    def filter_state(
        self, switches: QuerySet[KillSwitch], name: str, value: str
    ) -> QuerySet[KillSwitch]:
        if value == KillSwitchState.LIFTED:
            return switches.filter(lift__isnull=False)
        is_ordered = value == KillSwitchState.ORDERED
        return switches.filter(lift__isnull=True, confirmation__isnull=is_ordered)


class PolicySnapshotFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    captured_after = MomentFilter("captured_at", "gte")
    captured_before = MomentFilter("captured_at", "lt")

    class Meta:
        model = PolicySnapshot
        fields = ()


class RollbackFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    state = filters.MultipleChoiceFilter(choices=RollbackState.choices)

    class Meta:
        model = Rollback
        fields = ()


class ScanReportFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="item__incident__reference")
    item = filters.NumberFilter()
    classification = filters.MultipleChoiceFilter(choices=ScanClassification.choices)

    class Meta:
        model = ScanReport
        fields = ()


class ScanEntryFilter(filters.FilterSet):
    classification = filters.MultipleChoiceFilter(choices=ScanClassification.choices)
    rule = filters.CharFilter()
    family = filters.CharFilter()
    missed = filters.BooleanFilter("is_missed_by_line_scanner")

    class Meta:
        model = ScanEntry
        fields = ()

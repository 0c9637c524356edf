"""What lists of the policy app can be narrowed by."""

from __future__ import annotations

from django.db.models import QuerySet

from evidence.api.base import filters
from evidence.models.case_bound import case_model
from evidence.models.choices import choices_of
from policy.models import (
    Extension,
    KillSwitch,
    RollbackState,
    ScanClassification,
)
from policy.rules.kill_switch import KillSwitchScope, KillSwitchState
from policy.rules.trust import TrustState


class ExtensionFilter(filters.FilterSet):
    extension_id = filters.CharFilter()
    trust_state = filters.MultipleChoiceFilter(choices=choices_of(TrustState))
    incident = filters.CharFilter(method="named_by")

    def named_by(
        self, rows: QuerySet[Extension], name: str, value: str
    ) -> QuerySet[Extension]:
        """Narrow to the extensions that a case names, where it is one to be seen."""
        cases = case_model().objects.filter(reference=value)
        return rows.filter(pk__in=cases.values("extensions"))


class TrustTransitionFilter(filters.FilterSet):
    extension = filters.CharFilter(field_name="extension__extension_id")
    incident = filters.CharFilter(field_name="incident__reference")
    to_state = filters.MultipleChoiceFilter(choices=choices_of(TrustState))
    moved_after = filters.MomentFilter("moved_at", "gte")
    moved_before = filters.MomentFilter("moved_at", "lt")


class KillSwitchFilter(filters.FilterSet):
    extension = filters.CharFilter(field_name="extension__extension_id")
    incident = filters.CharFilter(field_name="incident__reference")
    scope = filters.ChoiceFilter(choices=choices_of(KillSwitchScope))
    state = filters.ChoiceFilter(
        choices=choices_of(KillSwitchState), method="filter_state"
    )
    ordered_after = filters.MomentFilter("ordered_at", "gte")
    ordered_before = filters.MomentFilter("ordered_at", "lt")

    def filter_state(
        self, switches: QuerySet[KillSwitch], name: str, value: str
    ) -> QuerySet[KillSwitch]:
        if value == KillSwitchState.LIFTED:
            return switches.filter(lift__isnull=False)
        is_ordered = value == KillSwitchState.ORDERED
        return switches.filter(lift__isnull=True, confirmation__isnull=is_ordered)


class PolicySnapshotFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    captured_after = filters.MomentFilter("captured_at", "gte")
    captured_before = filters.MomentFilter("captured_at", "lt")


class RollbackFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    state = filters.MultipleChoiceFilter(choices=RollbackState.choices)


class ScanReportFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="item__incident__reference")
    item = filters.WholeNumberFilter()
    classification = filters.MultipleChoiceFilter(choices=ScanClassification.choices)


class ScanEntryFilter(filters.FilterSet):
    classification = filters.MultipleChoiceFilter(choices=ScanClassification.choices)
    rule = filters.CharFilter()
    family = filters.CharFilter()
    missed = filters.TruthFilter("is_missed_by_line_scanner")

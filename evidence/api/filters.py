"""What lists of the evidence app can be narrowed by."""

from __future__ import annotations

from evidence.api.base import filters
from evidence.handling import CHOICES
from evidence.models import (
    Channel,
    CustodyKind,
    EvidenceKind,
    Outcome,
    WorkState,
)


class EvidenceItemFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    kind = filters.MultipleChoiceFilter(choices=EvidenceKind.choices)
    channel = filters.MultipleChoiceFilter(choices=Channel.choices)
    outcome = filters.MultipleChoiceFilter(
        "latest_outcome", choices=Outcome.choices, help_text="Of the newest report."
    )
    is_verified = filters.TruthFilter(
        "latest_outcome",
        lookup_expr="isnull",
        exclude=True,
        help_text="Whether there is a report.",
    )
    sha256_hex = filters.CharFilter(method="filter_digest")
    tlp = filters.MultipleChoiceFilter(choices=CHOICES, method="filter_mark")
    received_after = filters.MomentFilter("received_at", "gte")
    received_before = filters.MomentFilter("received_at", "lt")

    def filter_digest(self, queryset, name, value):  # type: ignore[no-untyped-def]
        # As it is stored: no index finds it in capitals and small letters at once.
        return queryset.filter(sha256_hex=value.lower())

    def filter_mark(self, queryset, name, value):  # type: ignore[no-untyped-def]
        return queryset.marked(*value) if value else queryset


class CustodyEventFilter(filters.FilterSet):
    item = filters.WholeNumberFilter()
    incident = filters.CharFilter(field_name="item__incident__reference")
    kind = filters.MultipleChoiceFilter(choices=CustodyKind.choices)
    channel = filters.ChoiceFilter(choices=Channel.choices)
    actor_name = filters.CharFilter()
    happened_after = filters.MomentFilter("happened_at", "gte")
    happened_before = filters.MomentFilter("happened_at", "lt")


class ReportFilter(filters.FilterSet):
    item = filters.WholeNumberFilter()
    incident = filters.CharFilter(field_name="item__incident__reference")
    outcome = filters.MultipleChoiceFilter(choices=Outcome.choices)
    finished_after = filters.MomentFilter("finished_at", "gte")
    finished_before = filters.MomentFilter("finished_at", "lt")


class ExportFilter(filters.FilterSet):
    source = filters.WholeNumberFilter()
    incident = filters.CharFilter(field_name="source__incident__reference")
    state = filters.MultipleChoiceFilter(choices=WorkState.choices)


class VerificationErrorFilter(filters.FilterSet):
    code = filters.CharFilter()
    entry_index = filters.WholeNumberFilter()


class ReplayStepFilter(filters.FilterSet):
    extension_id = filters.CharFilter()
    call_id = filters.CharFilter()
    trusted = filters.TruthFilter()


class AuditEntryFilter(filters.FilterSet):
    stream = filters.CharFilter()
    actor_name = filters.CharFilter()
    action = filters.CharFilter()
    object_type = filters.CharFilter()
    object_id = filters.CharFilter()
    recorded_after = filters.MomentFilter("recorded_at", "gte")
    recorded_before = filters.MomentFilter("recorded_at", "lt")
    after_sequence = filters.WholeNumberFilter("sequence", "gt")


class AuditStreamFilter(filters.FilterSet):
    stream = filters.CharFilter()
    recorded_after = filters.MomentFilter("recorded_at", "gte")
    recorded_before = filters.MomentFilter("recorded_at", "lt")

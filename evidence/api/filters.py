"""What lists of the evidence app can be narrowed by."""

from __future__ import annotations

from django_filters import rest_framework as filters

from evidence.models import (
    AuditEntry,
    Channel,
    CustodyEvent,
    CustodyKind,
    EvidenceItem,
    EvidenceKind,
    ExportRequest,
    Outcome,
    ReplayStep,
    VerificationError,
    VerificationReport,
    WorkState,
)


class EvidenceItemFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    kind = filters.MultipleChoiceFilter(choices=EvidenceKind.choices)
    sha256_hex = filters.CharFilter(lookup_expr="iexact")
    received_after = filters.IsoDateTimeFilter("received_at", "gte")
    received_before = filters.IsoDateTimeFilter("received_at", "lt")

    class Meta:
        model = EvidenceItem
        fields = ()


class CustodyEventFilter(filters.FilterSet):
    item = filters.NumberFilter()
    incident = filters.CharFilter(field_name="item__incident__reference")
    kind = filters.MultipleChoiceFilter(choices=CustodyKind.choices)
    channel = filters.ChoiceFilter(choices=Channel.choices)
    actor_name = filters.CharFilter()
    happened_after = filters.IsoDateTimeFilter("happened_at", "gte")
    happened_before = filters.IsoDateTimeFilter("happened_at", "lt")

    class Meta:
        model = CustodyEvent
        fields = ()


class ReportFilter(filters.FilterSet):
    item = filters.NumberFilter()
    incident = filters.CharFilter(field_name="item__incident__reference")
    outcome = filters.MultipleChoiceFilter(choices=Outcome.choices)
    finished_after = filters.IsoDateTimeFilter("finished_at", "gte")
    finished_before = filters.IsoDateTimeFilter("finished_at", "lt")

    class Meta:
        model = VerificationReport
        fields = ()


class ExportFilter(filters.FilterSet):
    source = filters.NumberFilter()
    incident = filters.CharFilter(field_name="source__incident__reference")
    state = filters.MultipleChoiceFilter(choices=WorkState.choices)

    class Meta:
        model = ExportRequest
        fields = ()


class VerificationErrorFilter(filters.FilterSet):
    code = filters.CharFilter()
    entry_index = filters.NumberFilter()

    class Meta:
        model = VerificationError
        fields = ()


class ReplayStepFilter(filters.FilterSet):
    extension_id = filters.CharFilter()
    call_id = filters.CharFilter()
    trusted = filters.BooleanFilter()

    class Meta:
        model = ReplayStep
        fields = ()


class AuditEntryFilter(filters.FilterSet):
    stream = filters.CharFilter()
    actor_name = filters.CharFilter()
    action = filters.CharFilter()
    object_type = filters.CharFilter()
    object_id = filters.CharFilter()
    recorded_after = filters.IsoDateTimeFilter("recorded_at", "gte")
    recorded_before = filters.IsoDateTimeFilter("recorded_at", "lt")
    after_sequence = filters.NumberFilter("sequence", "gt")

    class Meta:
        model = AuditEntry
        fields = ()

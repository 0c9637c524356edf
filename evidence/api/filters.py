"""What lists of the evidence app can be narrowed by."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField

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

LARGEST_OFFSET = dt.timedelta(hours=15, minutes=59)
"""PostgreSQL's; zones in use go from -12:00 to +14:00."""


class MomentField(IsoDateTimeField):
    """A moment in ISO 8601, with an offset that exists, of a year that UTC has too."""

    def clean(self, value: Any) -> dt.datetime | None:
        moment: dt.datetime | None = super().clean(value)
        if moment is None:
            return None
        try:
            offset = moment.utcoffset() or dt.timedelta()
            if abs(offset) > LARGEST_OFFSET:
                raise OverflowError
            return moment.astimezone(dt.UTC)
        except OverflowError as error:
            raise forms.ValidationError(
                "Give a moment whose offset lies between -15:59 and +15:59.",
                code="invalid_offset",
            ) from error


class MomentFilter(filters.IsoDateTimeFilter):
    """Every filter of the API by a moment."""

    field_class = MomentField


class EvidenceItemFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    kind = filters.MultipleChoiceFilter(choices=EvidenceKind.choices)
    sha256_hex = filters.CharFilter(lookup_expr="iexact")
    received_after = MomentFilter("received_at", "gte")
    received_before = MomentFilter("received_at", "lt")

    class Meta:
        model = EvidenceItem
        fields = ()


class CustodyEventFilter(filters.FilterSet):
    item = filters.NumberFilter()
    incident = filters.CharFilter(field_name="item__incident__reference")
    kind = filters.MultipleChoiceFilter(choices=CustodyKind.choices)
    channel = filters.ChoiceFilter(choices=Channel.choices)
    actor_name = filters.CharFilter()
    happened_after = MomentFilter("happened_at", "gte")
    happened_before = MomentFilter("happened_at", "lt")

    class Meta:
        model = CustodyEvent
        fields = ()


class ReportFilter(filters.FilterSet):
    item = filters.NumberFilter()
    incident = filters.CharFilter(field_name="item__incident__reference")
    outcome = filters.MultipleChoiceFilter(choices=Outcome.choices)
    finished_after = MomentFilter("finished_at", "gte")
    finished_before = MomentFilter("finished_at", "lt")

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
    recorded_after = MomentFilter("recorded_at", "gte")
    recorded_before = MomentFilter("recorded_at", "lt")
    after_sequence = filters.NumberFilter("sequence", "gt")

    class Meta:
        model = AuditEntry
        fields = ()

"""What the evidence of cases answers to the playbooks: to be read."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from rest_framework import serializers

from evidence.api.base import filters
from evidence.api.base.rows import RowSerializer
from evidence.api.base.views import ReadOnlyViewSet
from evidence.api.fields import NameField, ReferenceField
from evidence.models import EvidenceItem
from evidence.models.choices import choices_of
from incidents.findings import CODES, Verdict
from incidents.models import Finding, FindingReview


class FindingReviewSerializer(RowSerializer):
    """What a person said to a finding."""

    reviewed_by = NameField()

    class Meta:
        model = FindingReview
        fields = ("choice", "reason", "reviewed_at", "reviewed_by")
        read_only_fields = fields


class PointerSerializer(serializers.Serializer):
    """A record that shows it; `item_id` null: no item of the case, our own record.

    A record of a source or a history has its `file`, `line` and the like besides.
    """

    item = serializers.CharField()
    item_id = serializers.IntegerField(allow_null=True)
    section = serializers.CharField()
    index = serializers.IntegerField(allow_null=True)
    sequence = serializers.IntegerField(allow_null=True)
    call_id = serializers.CharField(allow_null=True)

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        return instance


class FindingSerializer(RowSerializer):
    """One answer to one question of a class, as `answer_playbook` writes it.

    `is_current` false: a newer answer took its place. The last of `reviews` counts.
    """

    incident = ReferenceField()
    question = serializers.CharField(source="key", read_only=True)
    checklist_item = serializers.CharField(source="item_key", read_only=True)
    pointers = PointerSerializer(many=True, read_only=True)
    is_current = serializers.BooleanField(read_only=True)
    reviews = FindingReviewSerializer(many=True, read_only=True)

    class Meta:
        model = Finding
        fields = (
            "id",
            "incident",
            "class",
            "question",
            "version",
            "checklist_item",
            "verdict",
            "sentence",
            "pointers",
            "inputs",
            "answered_at",
            "is_current",
            "reviews",
        )
        read_only_fields = fields

    def build_field(
        self, field_name: str, info: Any, model_class: Any, nested_depth: int
    ) -> Any:
        """Return the model's `code` for `class`, which Python lets no member be."""
        name = "code" if field_name == "class" else field_name
        built, options = super().build_field(name, info, model_class, nested_depth)
        return built, ({**options, "source": name} if name != field_name else options)


class FindingFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    item = filters.WholeNumberFilter(
        method="filter_item", help_text="An evidence item that it was read from."
    )
    question = filters.CharFilter(field_name="key")
    checklist_item = filters.CharFilter(field_name="item_key")
    verdict = filters.MultipleChoiceFilter(choices=choices_of(Verdict))
    is_current = filters.TruthFilter(
        help_text="true: the newest answers; false: those that were superseded.",
    )
    answered_after = filters.MomentFilter("answered_at", "gte")
    answered_before = filters.MomentFilter("answered_at", "lt")

    @classmethod
    def get_filters(cls) -> Any:
        """Add `class`, which Python lets no member be called."""
        choices = [(code, code) for code in CODES]
        by_class = filters.MultipleChoiceFilter(field_name="code", choices=choices)
        return {**super().get_filters(), "class": by_class}

    def filter_item(self, queryset: Any, name: str, value: int) -> QuerySet[Finding]:
        """Keep what was read from an item; what nobody may see is in no answer."""
        item = EvidenceItem.objects.filter(pk=value).first()
        return queryset.about(item) if item is not None else queryset.none()


class FindingViewSet(ReadOnlyViewSet):
    """What the evidence says to the questions of the classes, and people to that."""

    queryset = Finding.objects.select_related("incident")
    serializer_class = FindingSerializer
    filterset_class = FindingFilter
    read_permission = "incidents.view_finding"
    ordering_fields = ("id", "answered_at")

    def get_queryset(self) -> QuerySet[Finding]:
        rows: Any = super().get_queryset()
        reviews = FindingReview.objects.select_related("reviewed_by")
        return (
            rows.visible_to(self.request.user)
            .with_current()
            .prefetch_related(Prefetch("reviews", reviews))
        )

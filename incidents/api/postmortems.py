"""Postmortems, what was submitted of them, and action items: to be read."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.api.base import filters
from evidence.api.base.rows import RowSerializer
from evidence.api.base.views import ReadOnlyViewSet, person_of
from evidence.api.fields import NameField, ReferenceField
from evidence.handling import CHOICES
from evidence.models import TokenScope, WorkState
from evidence.models.choices import choices_of
from incidents.models import (
    ActionItem,
    Incident,
    Postmortem,
    PostmortemReview,
    PostmortemVersion,
    ReviewVerdict,
)
from incidents.services.postmortems.archiving import archive_again
from incidents.services.postmortems.pdfs import request_pdf
from incidents.services.postmortems.signatures import signature_of
from incidents.workflow.incident_states import Severity
from incidents.workflow.postmortem import (
    ActionItemState,
    ActionItemType,
    PostmortemState,
)


class FileWorkSerializer(serializers.Serializer):
    """A file that a worker makes: how far it is, and why it was given up."""

    state = serializers.ChoiceField(WorkState.choices)
    failure = serializers.CharField(help_text='"" unless the workers gave it up.')
    requested_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class PdfWorkSerializer(FileWorkSerializer):
    """How far a PDF is, and which mark of handling it has on its pages."""

    tlp = serializers.ChoiceField(
        [*CHOICES, ("", "None")], help_text='"" where it was made before there were.'
    )


def _newest_work(rows: Any) -> dict[str, Any] | None:
    """Return the newest of prefetched work, as the API says it."""
    newest = next(iter(rows), None)
    return dict(FileWorkSerializer(newest).data) if newest else None


class ReviewSerializer(RowSerializer):
    """A reviewer's answer. `is_void`: it signed a text that was taken up again."""

    reviewer = NameField()
    is_void = serializers.SerializerMethodField()
    archived_sha256 = serializers.SerializerMethodField()
    archive = serializers.SerializerMethodField()

    class Meta:
        model = PostmortemReview
        fields = (
            "verdict",
            "reviewer",
            "reviewed_at",
            "comment",
            "content_sha256",
            "is_void",
            "archived_sha256",
            "archive",
        )
        read_only_fields = fields

    def get_is_void(self, review: PostmortemReview) -> bool:
        postmortem = review.version.postmortem
        newest = max(version.number for version in postmortem.versions.all())
        is_current = (
            postmortem.state == PostmortemState.SIGNED
            and review.version.number == newest
        )
        return review.verdict == ReviewVerdict.SIGNED and not is_current

    def get_archived_sha256(self, review: PostmortemReview) -> list[str]:
        """Return the evidence that a signed version was archived as."""
        archive = getattr(review, "archive", None)
        return [item.sha256_hex for item in archive.items] if archive else []

    @extend_schema_field(FileWorkSerializer(allow_null=True))
    def get_archive(self, review: PostmortemReview) -> dict[str, Any] | None:
        """How far the worker is that archives a signed version; null for a return."""
        return _newest_work(review.archivings.all())


class VersionSerializer(RowSerializer):
    """A version. Its hash is over the canonical form of `document`."""

    incident = ReferenceField(source="postmortem.cycle.incident")
    cycle = serializers.IntegerField(source="postmortem.cycle.number", read_only=True)
    submitted_by = NameField()
    reviews = ReviewSerializer(many=True, read_only=True)
    pdf = serializers.SerializerMethodField()

    class Meta:
        model = PostmortemVersion
        fields: tuple[str, ...] = (
            "id",
            "incident",
            "cycle",
            "number",
            "content_sha256",
            "submitted_at",
            "submitted_by",
            "reviews",
            "pdf",
        )
        read_only_fields = fields

    @extend_schema_field(PdfWorkSerializer(allow_null=True))
    def get_pdf(self, version: PostmortemVersion) -> dict[str, Any] | None:
        """How far the worker is with the newest PDF; null where none was asked for."""
        newest = next(iter(version.pdfs.all()), None)
        return dict(PdfWorkSerializer(newest).data) if newest else None


class VersionDetailSerializer(VersionSerializer):
    document = serializers.JSONField(source="content", read_only=True)

    class Meta(VersionSerializer.Meta):
        fields = (*VersionSerializer.Meta.fields, "document")
        read_only_fields = fields


class PostmortemSerializer(RowSerializer):
    """A postmortem. Drafts are not handed out; `versions` are what was submitted."""

    incident = ReferenceField(source="cycle.incident")
    cycle = serializers.IntegerField(source="cycle.number", read_only=True)
    opened_by = NameField()
    versions: Any = serializers.SlugRelatedField(
        slug_field="number", many=True, read_only=True
    )

    class Meta:
        model = Postmortem
        fields = (
            "id",
            "incident",
            "cycle",
            "state",
            "draft_revision",
            "opened_at",
            "opened_by",
            "changed_at",
            "versions",
        )
        read_only_fields = fields


class ActionItemSerializer(RowSerializer):
    incident = ReferenceField()
    cycle = serializers.IntegerField(source="cycle.number", read_only=True)
    owner = NameField()
    created_by = NameField()
    closed_by = NameField()

    class Meta:
        model = ActionItem
        fields = (
            "id",
            "incident",
            "cycle",
            "text",
            "item_type",
            "owner",
            "due_on",
            "ticket",
            "ticket_url",
            "state",
            "outcome",
            "created_at",
            "created_by",
            "closed_at",
            "closed_by",
            "revision",
        )
        read_only_fields = fields


class PostmortemFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="cycle__incident__reference")
    state = filters.MultipleChoiceFilter(choices=choices_of(PostmortemState))
    severity = filters.MultipleChoiceFilter(
        "cycle__incident__severity", choices=choices_of(Severity)
    )


class VersionFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="postmortem__cycle__incident__reference")
    content_sha256 = filters.CharFilter()


class ActionItemFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    owner = filters.CharFilter(field_name="owner__username")
    state = filters.MultipleChoiceFilter(choices=choices_of(ActionItemState))
    item_type = filters.MultipleChoiceFilter(choices=choices_of(ActionItemType))
    due_before = filters.DateFilter("due_on", "lt")
    due_after = filters.DateFilter("due_on", "gte")


class PostmortemViewSet(ReadOnlyViewSet):
    """Postmortems, one for each cycle of a case."""

    queryset = Postmortem.objects.select_related("cycle__incident", "opened_by")
    serializer_class = PostmortemSerializer
    filterset_class = PostmortemFilter
    read_permission = "incidents.view_postmortem"
    also_ordered_by = ("incident", "state", "changed_at")

    def get_queryset(self) -> QuerySet[Postmortem]:
        rows: Any = super().get_queryset()
        versions = PostmortemVersion.objects.defer("document")
        return rows.visible_to(self.request.user).prefetch_related(
            Prefetch("versions", versions)
        )


class PostmortemVersionViewSet(ReadOnlyViewSet):
    """What was submitted, version by version; one by itself has its document."""

    queryset = PostmortemVersion.objects.select_related(
        "postmortem__cycle__incident", "submitted_by"
    )
    filterset_class = VersionFilter
    read_permission = "incidents.view_postmortemversion"
    write_scope = TokenScope.CASES_WRITE

    def get_serializer_class(self) -> type[VersionSerializer]:
        is_list = self.action == "list"
        return VersionSerializer if is_list else VersionDetailSerializer

    def get_queryset(self) -> QuerySet[PostmortemVersion]:
        rows: Any = super().get_queryset()
        if self.action == "list":
            rows = rows.defer("document")
        reviews = PostmortemReview.objects.select_related(
            "reviewer",
            "archive__json_item",
            "archive__markdown_item",
            "archive__pdf_item",
        ).prefetch_related("archivings")
        visible = Incident.objects.visible_to(self.request.user)
        siblings = PostmortemVersion.objects.defer("document")
        return rows.filter(postmortem__cycle__incident__in=visible).prefetch_related(
            Prefetch("postmortem__versions", siblings),
            Prefetch("reviews", reviews),
            "pdfs",
        )

    @extend_schema(request=None, responses={202: VersionDetailSerializer})
    @action(detail=True, methods=["post"], url_path="pdf/again", url_name="pdf-again")
    def pdf_again(self, request: Request, pk: str) -> Response:
        """Ask for the PDF, for the first time or after it was given up."""
        request_pdf(actor=person_of(request), version_id=self.get_object().pk)
        data = self.get_serializer(self.get_object()).data
        return Response(data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: VersionDetailSerializer})
    @action(
        detail=True,
        methods=["post"],
        url_path="archive/again",
        url_name="archive-again",
    )
    def archive_again(self, request: Request, pk: str) -> Response:
        """Ask once more for the archive of a signed version that was given up."""
        review = signature_of(self.get_object())
        if review is None:
            raise NotFound("This version has no signature that counts.")
        archive_again(actor=person_of(request), review_id=review.pk)
        data = self.get_serializer(self.get_object()).data
        return Response(data, status=status.HTTP_202_ACCEPTED)


class ActionItemViewSet(ReadOnlyViewSet):
    """Action items of all cases, open and closed."""

    queryset = ActionItem.objects.select_related("incident", "cycle")
    serializer_class = ActionItemSerializer
    filterset_class = ActionItemFilter
    read_permission = "incidents.view_actionitem"
    ordering_fields = ("id", "due_on")
    also_ordered_by = ("item_type", "owner", "state", "incident")
    people = ("owner", "created_by", "closed_by")

    def get_queryset(self) -> QuerySet[ActionItem]:
        rows: Any = super().get_queryset()
        return rows.visible_to(self.request.user)

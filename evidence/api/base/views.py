"""What the API's views have in common."""

from __future__ import annotations

from typing import Any, cast

from django.apps import apps
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model, Q, QuerySet
from django.shortcuts import get_object_or_404
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import mixins, viewsets
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from evidence.api.base.pagination import KeysetPagination
from evidence.api.base.streams import STREAMED, stream_list
from evidence.loading import load_people
from evidence.models import TokenScope
from evidence.models.case_bound import shown

PAGING_PARAMETERS = frozenset(
    {
        *("cursor", "page_size", "ordering"),
        *("modified_since", "as_of", "fields", "format"),
    }
)
READING = ("list", "retrieve")
ID_PATTERN = "[0-9]{1,18}"


def person_of(request: Request) -> User:
    """Return who asks; permissions let nobody through who is not signed in."""
    return cast(User, request.user)


def visible_incidents(user: User | AnonymousUser) -> QuerySet[Any]:
    """Return the cases this person may see, through the one gate there is."""
    model: Any = apps.get_model("incidents", "Incident")
    return model.objects.visible_to(user)


class StrictFilterBackend(DjangoFilterBackend):
    """Filters that refuse a parameter they do not know.

    A misspelt filter would otherwise answer with everything.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        filterset = self.get_filterset_class(view, queryset)
        known = set(filterset.base_filters) if filterset else set()
        known |= PAGING_PARAMETERS | set(getattr(view, "extra_parameters", ()))
        asked = set(request.query_params)
        unknown = sorted(asked - known)
        if unknown:
            raise ValidationError(
                dict.fromkeys(unknown, "There is no such parameter here."),
                code="unknown_parameter",
            )
        # The form that reads filters is made of them all: dearer than most queries.
        if filterset and not any(name in asked for name in filterset.base_filters):
            return queryset
        return super().filter_queryset(request, queryset, view)


class ResourceViewSet(viewsets.GenericViewSet[Any]):
    """Base of every resource: filtered, paged by cursor, ordered, closed by default."""

    filter_backends = (StrictFilterBackend,)
    pagination_class = KeysetPagination
    lookup_value_regex = ID_PATTERN
    read_permission: str
    write_scope: TokenScope | None = None
    ordering_fields: tuple[str, ...] = ("id",)
    also_ordered_by: tuple[str, ...] = ()
    """As the admin's list is. Of pages alone: no index carries a stream by them."""
    default_ordering = "-id"
    incident_lookup = ""
    """Where a row has its case; of what has none, everybody who may read sees all."""
    is_shown_without_case = False
    """Whether a row that could have a case, and has none, is shown."""
    people: tuple[str, ...] = ()
    """Who is named on a row, by paths: read in one query, and joined nowhere."""

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Return the serializer, of reading with the fields that were asked for."""
        serializer = super().get_serializer(*args, **kwargs)
        wanted = self.request.query_params.get("fields") if self.request else None
        if wanted is not None and self.action in READING:
            _keep_fields(getattr(serializer, "child", serializer), wanted)
        return serializer

    def get_object(self) -> Any:
        row = super().get_object()
        load_people([row], *self.people)
        return row

    def paginate_queryset(self, queryset: Any) -> Any:
        rows = super().paginate_queryset(queryset)
        load_people(rows or (), *self.people)
        return rows

    def get_queryset(self) -> QuerySet[Any]:
        # A view's rows were asked for when its class was made, and nobody was looking.
        rows = shown(super().get_queryset())
        if not self.incident_lookup:
            return rows
        visible = visible_incidents(self.request.user)
        found = Q(**{f"{self.incident_lookup}__in": visible})
        if self.is_shown_without_case:
            found |= Q(**{f"{self.incident_lookup}__isnull": True})
        return rows.filter(found)


def _keep_fields(serializer: Any, wanted: str) -> None:
    """Drop what was not asked for; raise ValidationError for what there is not."""
    names = set(filter(None, wanted.split(",")))
    unknown = sorted(names - set(serializer.fields))
    if unknown or not names:
        known = ", ".join(serializer.fields)
        raise ValidationError(
            {"fields": f"Expected some of {known}, separated by commas."},
            code="unknown_field",
        )
    for name in set(serializer.fields) - names:
        serializer.fields.pop(name)


class ListViewSet(mixins.ListModelMixin, ResourceViewSet):
    """A resource that is listed: in pages, or as a stream of its rows."""

    def get_renderers(self) -> list[Any]:
        renderers = super().get_renderers()
        if self.action != "list":
            return renderers
        return [*renderers, *(renderer() for renderer in STREAMED)]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        if request.accepted_renderer.format in {each.format for each in STREAMED}:
            return stream_list(self, request)
        return super().list(request, *args, **kwargs)


class ReadOnlyViewSet(mixins.RetrieveModelMixin, ListViewSet):
    """A resource that is listed and read, and changed by nothing here."""


class ReportPartViewSet(ListViewSet):
    """Base of what one report of an evidence item lists, in the report's order."""

    report_model: type[Model]

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        visible = visible_incidents(self.request.user)
        reports = self.report_model._default_manager.filter(item__incident__in=visible)
        report = get_object_or_404(reports.only("pk"), pk=self.kwargs["report_pk"])
        return rows.filter(report=report)


class UnknownResource(APIView):
    """Answers every path of the API that nothing else answers."""

    schema = None
    permission_classes = ()
    authentication_classes = ()
    throttle_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound

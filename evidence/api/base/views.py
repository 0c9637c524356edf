"""What the API's views have in common."""

from __future__ import annotations

from typing import Any, cast

from django.apps import apps
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import mixins, viewsets
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from evidence.api.base.pagination import KeysetPagination
from evidence.models import TokenScope

PAGING_PARAMETERS = frozenset({"cursor", "page_size", "ordering"})
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
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise ValidationError(
                dict.fromkeys(unknown, "There is no such parameter here."),
                code="unknown_parameter",
            )
        return super().filter_queryset(request, queryset, view)


class ResourceViewSet(viewsets.GenericViewSet[Any]):
    """Base of every resource: filtered, paged by cursor, ordered, closed by default."""

    filter_backends = (StrictFilterBackend,)
    pagination_class = KeysetPagination
    lookup_value_regex = ID_PATTERN
    read_permission: str
    write_scope: TokenScope | None = None
    ordering_fields: tuple[str, ...] = ("id",)
    default_ordering = "-id"


class ReadOnlyViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, ResourceViewSet
):
    """A resource that is listed and read, and changed by nothing here."""


class UnknownResource(APIView):
    """Answers every path of the API that nothing else answers."""

    schema = None
    permission_classes = ()
    authentication_classes = ()
    throttle_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound

"""Pages of one object: read-only, with buttons that say what they do."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse

from evidence.admin.base import ReadOnlyAdmin, read_key
from evidence.admin.drawing import draw_page
from evidence.admin.form_places import FormPlaces
from evidence.admin.page_actions import ActionPages, PageAction, RefusedForm

__all__ = ("OfVisibleIncident", "PageAction", "PageAdmin")


class PageAdmin(ActionPages, ReadOnlyAdmin):
    """A list, and a page for each object with actions that call services."""

    page_template: str
    page_actions: dict[str, PageAction]
    page_related: tuple[str, ...] = ()
    list_per_page = 50

    class Media:
        css = {"all": ("evidence/evidence.css", "policy/policy.css")}

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what the page shows beside the object itself."""
        return {}

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the objects this person may see."""
        return self.get_queryset(request)

    def object_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.show(request, self.find(request, object_id))

    def show(
        self, request: HttpRequest, obj: Any, *, refused: RefusedForm | None = None
    ) -> HttpResponse:
        here = refused.here if refused else request.get_full_path()
        places = FormPlaces(self, obj, request.user, here=here, refused=refused)
        context = {
            **self.page_context(request, obj),
            "actions": self.offer(request, obj),
            "places": places,
            "object": obj,
            "title": str(obj),
            "opts": self.opts,
            "media": self.media,
        }
        return draw_page(request, self.page_template, **context)

    def find(self, request: HttpRequest, pk: Any) -> Any:
        """Return the object; a hidden one and a missing one give the same answer."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.visible(request).select_related(*self.page_related)
        found = rows.filter(pk=read_key(pk)).first()
        if found is None:
            raise Http404("nothing here, or nothing that you may see")
        return found


class OfVisibleIncident:
    """Rows of a case: shown to who may see the case."""

    incident_path = "incident"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        model: Any = rows.model
        for name in self.incident_path.split("__"):
            model = model._meta.get_field(name).related_model
        visible = model.objects.visible_to(request.user)
        return rows.filter(**{f"{self.incident_path}__in": visible})

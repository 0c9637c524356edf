"""Pages of one object: read-only, with buttons that say what they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from evidence.admin.base import ReadOnlyAdmin
from evidence.errors import CasefileError

REFUSED_STATUS = 409


@dataclass(frozen=True)
class PageAction:
    """A button: its form, the permission to see it, and the service it calls.

    `run` returns what to tell the person, "" where it did so itself, or a response.
    `applies` says whether the object is in a state for it; the service judges again.
    """

    label: str
    button: str
    form: Callable[..., forms.Form]
    run: Callable[[HttpRequest, Any, dict[str, Any]], str | HttpResponse]
    permission: str
    help: str = ""
    tone: str = ""
    icon: str = ""
    applies: Callable[[Any], bool] = field(default=lambda obj: True)


class PageAdmin(ReadOnlyAdmin):
    """A list, and a page for each object with actions that call services."""

    page_template: str
    page_actions: dict[str, PageAction]
    page_related: tuple[str, ...] = ()
    list_per_page = 50
    show_full_result_count = False

    class Media:
        css = {"all": ("evidence/evidence.css", "policy/policy.css")}

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what the page shows beside the object itself."""
        return {}

    def visible(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the objects this person may see."""
        return self.get_queryset(request)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        view = self.admin_site.admin_view(require_POST(self.do_view))
        own = path("<int:pk>/do/<slug:action>/", view, name=name)
        return [own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method != "GET":
            return HttpResponse(status=405, headers={"Allow": "GET"})
        return self.show(request, self.find(request, object_id))

    def do_view(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Read the form of an action and call its service."""
        obj = self.find(request, pk)
        chosen = self.page_actions.get(action)
        if chosen is None:
            raise Http404("no such action")
        if not request.user.has_perm(chosen.permission):
            raise PermissionDenied
        form = chosen.form(request.POST, request.FILES, obj=obj, user=request.user)
        if not form.is_valid():
            return self.show(request, obj, refused={action: form})
        try:
            answer = chosen.run(request, obj, form.cleaned_data)
        except CasefileError as error:
            form.add_error(None, error.message)
            messages.error(request, error.message)
            return self.show(request, obj, refused={action: form})
        if isinstance(answer, HttpResponse):
            return answer
        if answer:
            messages.success(request, answer)
        return HttpResponseRedirect(self.page_of(obj))

    def show(
        self,
        request: HttpRequest,
        obj: Any,
        *,
        refused: dict[str, forms.Form] | None = None,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **self.page_context(request, obj),
            "actions": self._offer(request, obj, refused or {}),
            "object": obj,
            "title": str(obj),
            "opts": self.opts,
            "media": self.media,
        }
        status = REFUSED_STATUS if refused else 200
        return TemplateResponse(request, self.page_template, context, status=status)

    def find(self, request: HttpRequest, pk: Any) -> Any:
        """Return the object; a hidden one and a missing one give the same answer."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = str(pk)
        rows = self.visible(request).select_related(*self.page_related)
        is_number = text.isascii() and text.isdecimal() and len(text) <= 18
        found = rows.filter(pk=int(text)).first() if is_number else None
        if found is None:
            raise Http404("nothing here, or nothing that you may see")
        return found

    def page_of(self, obj: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[obj.pk])

    def _offer(
        self, request: HttpRequest, obj: Any, refused: dict[str, forms.Form]
    ) -> dict[str, dict[str, Any]]:
        """Return the actions that this person has now, each with its form."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_do"
        offered = {}
        for key, one in self.page_actions.items():
            if not request.user.has_perm(one.permission) or not one.applies(obj):
                continue
            offered[key] = {
                "key": key,
                "action": one,
                "form": refused.get(key) or one.form(obj=obj, user=request.user),
                "url": reverse(name, args=[obj.pk, key]),
                "is_open": key in refused,
            }
        return offered


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

"""Lists of checks that were made, and the page that makes another."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from evidence.admin.base import ReadOnlyAdmin


class FaultCheckAdmin(ReadOnlyAdmin):
    """Base of what lists one kind of check; `check_title` and the rest say which."""

    class Media:
        css = {"all": ("evidence/evidence.css",)}

    list_select_related = ("requested_by",)
    readonly_fields = ("verdict", "shown_faults")
    check_title: str
    check_explained: str

    def run_check(self, request: HttpRequest) -> None:
        """Make the check and tell the person what it found."""
        raise NotImplementedError

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("evidence.view_auditentry")

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask, and on POST make the check."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self.run_check(request)
            return redirect(f"admin:evidence_{self.opts.model_name}_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": self.check_title,
            "explained": self.check_explained,
            "opts": self.opts,
        }
        return TemplateResponse(request, "evidence/check.html", context)

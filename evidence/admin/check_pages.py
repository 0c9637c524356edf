"""Lists of checks that were made, and the page that makes another."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from evidence.admin.base import ReadOnlyAdmin
from evidence.admin.drawing import draw_page
from evidence.admin.methods import takes_forms


class FaultCheckAdmin(ReadOnlyAdmin):
    """Base of what lists one kind of check; `check_title` and the rest say which."""

    class Media:
        css = {"all": ("evidence/evidence.css",)}

    list_select_related = ("requested_by",)
    readonly_fields: tuple[str, ...] = ("verdict", "shown_faults")
    check_title: str
    check_explained: str

    def run_check(self, request: HttpRequest) -> None:
        """Make the check and tell the person what it found."""
        raise NotImplementedError

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("evidence.view_auditentry")

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Ask, and on POST make the check."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self.run_check(request)
            return redirect(f"admin:evidence_{self.opts.model_name}_changelist")
        return draw_page(
            request,
            "evidence/check.html",
            title=self.check_title,
            explained=self.check_explained,
            opts=self.opts,
        )

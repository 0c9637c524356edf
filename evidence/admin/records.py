"""The checks of rows against their records, and what differed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin, call_service, person_of
from evidence.audit.records.checking import check_records
from evidence.lookalikes import show_hidden
from evidence.models import RecordCheck


@admin.register(RecordCheck)
class RecordCheckAdmin(ReadOnlyAdmin):
    class Media:
        css = {"all": ("evidence/evidence.css",)}

    list_display = (
        "started_at",
        "verdict",
        "table_count",
        "row_count",
        "fault_count",
        "requested_by",
    )
    list_select_related = ("requested_by",)
    readonly_fields = ("verdict", "shown_faults")
    fields = (
        *("verdict", "started_at", "finished_at", "requested_by"),
        *("table_count", "row_count", "fault_count", "shown_faults"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("evidence.view_auditentry")

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask, and on POST compare every row with its record."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            _check(request)
            return redirect("admin:evidence_recordcheck_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": "Check every row",
            "opts": self.opts,
        }
        return TemplateResponse(request, "evidence/check_records.html", context)

    @display(description="Result", label={"Holds": "success", "Changed": "danger"})
    def verdict(self, check: RecordCheck) -> str:
        return "Holds" if check.is_passing else "Changed"

    @display(description="First differences")
    def shown_faults(self, check: RecordCheck) -> str:
        lines = [(f"{show_hidden(fault['message'])}.",) for fault in check.faults]
        return format_html_join("", "<p>{}</p>", lines) or "–"


def _check(request: HttpRequest) -> None:
    found = call_service(
        request,
        lambda: check_records(actor=person_of(request)),
        success="Every row was compared with its record; the check is recorded.",
    )
    if found is not None and not found[0].is_passing:
        check, faults = found
        messages.error(
            request,
            f"{check.fault_count} differences. The first: "
            f"{show_hidden(faults[0].message)}.",
        )

"""Runtime histories: imported into a case, and what the rules hold against them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse

from evidence.admin.base import client_address, person_of
from evidence.admin.methods import takes_forms
from evidence.models import Channel
from policy.admin import forms
from policy.admin.case_pages import take_in
from policy.admin.pages import OfVisibleIncident, PageAction, PageAdmin
from policy.models import RuntimeHistoryImport
from policy.services.changes import WORK_POLICY
from policy.services.runtime_histories import import_runtime_history

PAGE_SIZE = 50


@admin.register(RuntimeHistoryImport)
class RuntimeHistoryImportAdmin(OfVisibleIncident, PageAdmin):
    list_display = (
        "imported_at",
        "incident",
        "item",
        "record_count",
        "refused_count",
        "finding_count",
        "fault_count",
        "imported_by",
    )
    list_select_related = ("incident", "item", "imported_by")
    search_fields = ("incident__reference", "item__original_name")
    page_template = "policy/history.html"
    page_related = ("incident", "item", "imported_by")
    page_actions: dict[str, PageAction] = {}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(WORK_POLICY)

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        def run(form: Any) -> tuple[str, str]:
            row = import_runtime_history(
                incident_id=form.cleaned_data["incident"].pk,
                data=form.read(),
                original_name=form.cleaned_data["file"].name or "history.jsonl",
                channel=Channel.ADMIN,
                actor=person_of(request),
                ip_address=client_address(request),
            )
            words = f"{row.record_count} records replayed: {row.refused_count} refused."
            return self.page_of(row), words

        return take_in(
            request,
            self,
            permission=WORK_POLICY,
            form_class=forms.HistoryForm,
            run=run,
            title="Import the runtime's record",
            button="Keep it and replay it",
            explained="Trust transitions and kill-switch events, one JSON object a "
            "line. They are replayed through our rules and never become our own state.",
        )

    def page_context(
        self, request: HttpRequest, obj: RuntimeHistoryImport
    ) -> dict[str, Any]:
        rows = [{**finding, "state": _state_of(finding)} for finding in obj.findings]
        pages = Paginator(rows, PAGE_SIZE)
        return {"history": obj, "page": pages.get_page(request.GET.get("page"))}


def _state_of(finding: dict[str, Any]) -> str:
    """Return the state to draw a finding by: an escape is the worst of them."""
    if finding["code"] == "quarantine_escape":
        return "quarantine_escape"
    return "refused" if finding["is_refused"] else "odd"

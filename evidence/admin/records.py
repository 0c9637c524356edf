"""The checks of rows against their records, and what differed."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.decorators import display

from evidence.admin.base import call_service, person_of
from evidence.admin.check_pages import FaultCheckAdmin
from evidence.admin.telling import tell
from evidence.audit.records.checking import check_records
from evidence.audit.shown_faults import shown_faults
from evidence.lookalikes import show_hidden
from evidence.models import RecordCheck


@admin.register(RecordCheck)
class RecordCheckAdmin(FaultCheckAdmin):
    check_title = "Check every row"
    check_explained = (
        "Every row is compared with what was recorded of it when Casefile wrote it, "
        "and every record with its seal in the audit history. What differs is named, "
        "and people are told."
    )
    list_display = (
        "started_at",
        "verdict",
        "table_count",
        "row_count",
        "fault_count",
        "requested_by",
    )
    fields = (
        *("verdict", "started_at", "finished_at", "requested_by"),
        *("table_count", "row_count", "fault_count", "shown_faults"),
    )

    def run_check(self, request: HttpRequest) -> None:
        found = call_service(
            request,
            lambda: check_records(actor=person_of(request)),
            success="",
        )
        if found is None:
            return
        check, _ = found
        if check.is_passing:
            tell(
                request,
                "Every row was compared with its record; the check is recorded.",
            )
        else:
            said = f"{check.fault_count} differences."
            for fault in shown_faults(check)[:1]:
                said += f" The first: {show_hidden(fault['message'])}."
            messages.error(request, said)

    @display(description="Result", label={"Holds": "success", "Changed": "danger"})
    def verdict(self, check: RecordCheck) -> str:
        return "Holds" if check.is_passing else "Changed"

    @display(description="First differences")
    def shown_faults(self, check: RecordCheck) -> str:
        faults = shown_faults(check)
        lines = [(f"{show_hidden(fault['message'])}.",) for fault in faults]
        return format_html_join("", "<p>{}</p>", lines) or "–"

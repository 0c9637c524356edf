"""What is wrong with the evidence store: which bytes, whose, and what became of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin
from evidence.admin.filters import StandingFilter
from evidence.models import EvidenceItem, StoreFault
from evidence.templatetags.casefile import badge, show_moment

REMEDY = (
    "Put the same bytes back: restore the file from a backup and run "
    "`manage.py verify_store`, or send the original file again to any case that has "
    "it. Damaged bytes that are replaced so are kept in the store, under damaged/."
)


@admin.register(StoreFault)
class StoreFaultAdmin(ReadOnlyAdmin):
    class Media:
        css = {"all": ("evidence/evidence.css",)}

    list_display = ("state", "digest", "found", "case", "ended")
    list_select_related = ("incident",)
    list_filter = (StandingFilter, "kind")
    search_fields = ("sha256_hex__startswith",)
    search_help_text = "SHA-256"
    fields = (
        *("state", "sha256_hex", "found", "detail", "items", "case"),
        *("ended", "ending_detail", "remedy"),
    )
    readonly_fields = ("state", "found", "items", "case", "ended", "remedy")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoreFault]:
        return super().get_queryset(request).order_by("-id")

    @display(description="State")
    def state(self, fault: StoreFault) -> str:
        if fault.is_standing:
            return badge(fault.kind, fault.get_kind_display(), kind="store")
        return badge("ended", "Sound again", kind="store")

    @display(description="SHA-256", ordering="sha256_hex")
    def digest(self, fault: StoreFault) -> str:
        return f"{fault.sha256_hex[:12]}…"

    @display(description="Found", ordering="found_at")
    def found(self, fault: StoreFault) -> str:
        return show_moment(fault.found_at)

    @display(description="Ended")
    def ended(self, fault: StoreFault) -> str:
        if fault.ended_at is None:
            return "–"
        return format_html(
            "{}: {}", show_moment(fault.ended_at), fault.get_ending_display()
        )

    @display(description="Case about it")
    def case(self, fault: StoreFault) -> Any:
        if fault.incident is None:
            return "–"
        url = reverse("admin:incidents_incident_change", args=[fault.incident_id])
        return format_html(
            '<a class="ev-link" href="{}">{}</a>', url, fault.incident.reference
        )

    @display(description="Evidence that has these bytes")
    def items(self, fault: StoreFault) -> str:
        items = EvidenceItem.objects.filter(sha256_hex=fault.sha256_hex)
        rows = [
            (
                reverse("admin:evidence_evidenceitem_change", args=[item.pk]),
                item.shown_name,
                item.incident.reference,
            )
            for item in items.select_related("incident").order_by("pk")
        ]
        link = '<p><a class="ev-link" href="{}">{}</a>, {}</p>'
        return format_html_join("", link, rows) or "No item: a file of Casefile's own"

    @display(description="What to do")
    def remedy(self, fault: StoreFault) -> str:
        return REMEDY if fault.is_standing else "Nothing: the bytes are sound again."

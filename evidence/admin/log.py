"""The history log in the admin: its checkpoints, who holds them, proofs of entries."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin, read_key
from evidence.audit.log.places import read_place
from evidence.audit.log.reading import entry_proof, newest_checkpoint
from evidence.errors import LogPlaceRefused, LogRefused
from evidence.format import canonical_bytes
from evidence.handling import Tlp
from evidence.models import AuditEntry, EvidenceItem, LogCheckpoint, LogCopy
from evidence.templatetags.casefile import badge, show_moment


def download_entry_proof(request: HttpRequest, object_id: str) -> HttpResponse:
    """Send the file that proves an entry under the log's public key."""
    if not request.user.has_perm("evidence.view_auditentry"):
        raise PermissionDenied
    entry = AuditEntry.objects.filter(pk=read_key(object_id)).first()
    if entry is None:
        raise Http404
    try:
        proof = entry_proof(entry, newest_checkpoint())
    except LogRefused as refusal:
        messages.warning(request, refusal.message)
        return redirect("admin:evidence_auditentry_change", entry.pk)
    answer = HttpResponse(canonical_bytes(proof), content_type="application/json")
    name = f"entry-{entry.pk}-proof{_mark_in_name(entry)}.json"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _mark_in_name(entry: AuditEntry) -> str:
    """Return the mark of the case whose stream an entry is of; empty for others."""
    kind, _, key = entry.stream.partition(":")
    cases: Any = EvidenceItem._meta.get_field("incident").related_model
    found = cases.objects.filter(pk=key).first() if kind == "incident" else None
    return f"_{Tlp(found.tlp).in_file_name}" if found else ""


class LogAdmin(ReadOnlyAdmin):
    """Shown to who may read the history."""

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return request.user.has_perm("evidence.view_auditentry")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("evidence.view_auditentry")


@admin.register(LogCheckpoint)
class LogCheckpointAdmin(LogAdmin):
    list_display = ("tree_size", "made", "holders")
    fields = ("tree_size", "root_hex", "made_at", "shown_note", "holders")
    readonly_fields = ("shown_note", "holders")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogCheckpoint]:
        return super().get_queryset(request).prefetch_related("copies")

    @display(description="Made", ordering="made_at")
    def made(self, checkpoint: LogCheckpoint) -> str:
        return show_moment(checkpoint.made_at)

    @display(description="Held outside by")
    def holders(self, checkpoint: LogCheckpoint) -> str:
        held = [copy for copy in checkpoint.copies.all() if copy.held_at]
        places = ((show_place(copy), show_moment(copy.held_at)) for copy in held)
        return format_html_join(", ", "{} since {}", places) or "nobody yet"

    @display(description="Checkpoint")
    def shown_note(self, checkpoint: LogCheckpoint) -> str:
        return format_html('<pre class="ev-json">{}</pre>', checkpoint.note)


@admin.register(LogCopy)
class LogCopyAdmin(LogAdmin):
    list_display = ("where", "size", "state", "since", "attempts", "last_problem")
    list_select_related = ("checkpoint",)
    list_filter = ("kind",)
    fields = ("where", "size", "state", "since", "attempts", "last_problem", "answer")
    readonly_fields = ("where", "size", "state", "since")

    @display(description="Place")
    def where(self, copy: LogCopy) -> str:
        return show_place(copy)

    @display(description="Entries", ordering="checkpoint__tree_size")
    def size(self, copy: LogCopy) -> int:
        return copy.checkpoint.tree_size

    @display(description="State")
    def state(self, copy: LogCopy) -> str:
        if copy.held_at:
            return badge("done", "Held")
        if copy.last_problem:
            return badge("failed", "Not taken, tried again")
        return badge("pending", "Waiting")

    @display(description="Held since", ordering="held_at")
    def since(self, copy: LogCopy) -> str:
        return show_moment(copy.held_at) if copy.held_at else "–"


def show_place(copy: LogCopy) -> str:
    """Return a place's kind and host: an address may hold what is secret."""
    try:
        return read_place(copy.place).shown
    except LogPlaceRefused:
        return copy.kind

"""The audit history: read, searched, verified; never changed."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display

from evidence.admin.base import (
    ReadOnlyAdmin,
    call_service,
    person_of,
)
from evidence.admin.check_pages import FaultCheckAdmin
from evidence.admin.filters import ActionFilter, ActorFilter, StreamFilter
from evidence.admin.log import download_entry_proof
from evidence.audit.history_checks import check_history
from evidence.audit.shown_faults import shown_faults, shown_reached
from evidence.audit.turned_clocks import with_entry_before
from evidence.audit.words import (
    find_actions,
    find_stream,
    say_action,
    say_object_type,
    say_streams,
)
from evidence.lookalikes import show_hidden
from evidence.models import AuditEntry, HistoryCheck
from evidence.set_clocks import TOLERANCE
from evidence.templatetags.casefile import show_moment
from evidence.text import drop_unstorable

VERDICTS = {"Holds": "success", "Broken": "danger", "Not at its end": "warning"}
WAITED_SECONDS = 15
"""How long somebody waits for a check of the whole; a worker goes on with the rest."""
SET_BACK = "before the entry in front of it: a clock was set back"


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    class Media:
        css = {"all": ("evidence/evidence.css",)}

    list_display = (
        "moment",
        "said_stream",
        "sequence",
        "said_action",
        "said_actor",
        "linked_object",
        "reason",
    )
    list_filter = (
        StreamFilter,
        ActionFilter,
        ActorFilter,
        ("recorded_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_per_page = 50
    search_fields = ("actor_name__startswith", "object_label")
    search_help_text = "Case, extension, action, person or object"
    actions = ("verify_streams",)
    actions_detail = ("prove_entry",)
    fieldsets = (
        (None, {"fields": ("said_action", "said_stream", "moment", "reason")}),
        ("Who and what", {"fields": ("said_actor", "said_type", "linked_object")}),
        ("Change", {"fields": ("shown_before", "shown_after")}),
        (
            "Chain, as it is hashed",
            {"fields": ("stream", "sequence", "action", "previous_hash", "entry_hash")},
        ),
    )
    readonly_fields = (
        "moment",
        "said_action",
        "said_stream",
        "said_actor",
        "said_type",
        "linked_object",
        "shown_before",
        "shown_after",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        return with_entry_before(super().get_queryset(request))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Name all streams of a page with one query."""
        page = super().get_changelist_instance(request)
        said = say_streams(entry.stream for entry in page.result_list)
        for entry in page.result_list:
            entry.said_stream = said[entry.stream]
        return page

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by the words that the page shows, and by their raw form."""
        words = drop_unstorable(search_term)
        found, has_doubles = super().get_search_results(request, queryset, words)
        if words:
            named = queryset.filter(
                Q(stream=find_stream(words)) | Q(action__in=find_actions(words))
            )
            found = found | named
        return found, has_doubles

    def has_verify_permission(
        self, request: HttpRequest, object_id: str | None = None
    ) -> bool:
        return request.user.has_perm("evidence.view_auditentry")

    @display(description="Recorded", ordering="recorded_at")
    def moment(self, entry: AuditEntry) -> str:
        when = show_moment(entry.recorded_at)
        before_at = getattr(entry, "before_at", None)
        if before_at is None or entry.recorded_at >= before_at - TOLERANCE:
            return when
        return format_html("{} <small>{}</small>", when, SET_BACK)

    @display(description="Stream", ordering="stream")
    def said_stream(self, entry: AuditEntry) -> str:
        said = getattr(entry, "said_stream", None)
        return show_hidden(said or say_streams([entry.stream])[entry.stream])

    @display(description="Action", ordering="action")
    def said_action(self, entry: AuditEntry) -> str:
        return say_action(entry.action)

    @display(description="Person", ordering="actor_name")
    def said_actor(self, entry: AuditEntry) -> str:
        return show_hidden(entry.actor_name)

    @display(description="Kind of object")
    def said_type(self, entry: AuditEntry) -> str:
        return say_object_type(entry.object_type)

    @display(description="Object")
    def linked_object(self, entry: AuditEntry) -> str:
        label, _, model = entry.object_type.partition(".")
        try:
            url = reverse(f"admin:{label}_{model}_change", args=[entry.object_id])
        except NoReverseMatch:
            return show_hidden(entry.object_label)
        return format_html(
            '<a class="ev-link" href="{}">{}</a>', url, show_hidden(entry.object_label)
        )

    @display(description="Before")
    def shown_before(self, entry: AuditEntry) -> str:
        return _as_block(entry.before)

    @display(description="After")
    def shown_after(self, entry: AuditEntry) -> str:
        return _as_block(entry.after)

    @action(description="Verify the streams of these entries", permissions=["verify"])
    def verify_streams(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> None:
        names = sorted(set(queryset.order_by().values_list("stream", flat=True)))
        _check(request, names)

    @action(description="Prove this entry", permissions=["verify"])
    def prove_entry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return download_entry_proof(request, object_id)


@admin.register(HistoryCheck)
class HistoryCheckAdmin(FaultCheckAdmin):
    check_title = "Verify the whole history"
    check_explained = (
        "Every stream of the audit history is read and its hash chain recomputed. What "
        "is found is recorded, and the head of each stream that holds is noted, so "
        "that a later check sees if its newest entries were cut off."
    )
    list_display = (
        "started_at",
        "verdict",
        "is_whole",
        "amount_read",
        "fault_count",
        "requested_by",
    )
    fields = (
        "verdict",
        "started_at",
        "finished_at",
        "requested_by",
        "is_whole",
        "continues",
        "came_to",
        "stream_count",
        "entry_count",
        "fault_count",
        "shown_faults",
    )

    readonly_fields = (*FaultCheckAdmin.readonly_fields, "came_to")

    def run_check(self, request: HttpRequest) -> None:
        _check(request, None)

    @display(description="Result", label=VERDICTS)
    def verdict(self, check: HistoryCheck) -> str:
        if not check.is_passing:
            return "Broken"
        return "Not at its end" if check.reached else "Holds"

    @display(description="Read")
    def amount_read(self, check: HistoryCheck) -> str:
        return f"{check.entry_count:,} entries in {check.stream_count:,} streams"

    @display(description="First faults")
    def shown_faults(self, check: HistoryCheck) -> str:
        faults = shown_faults(check)
        said = say_streams(fault["stream"] for fault in faults)
        lines = [(_say_fault(fault, said),) for fault in faults]
        return format_html_join("", "<p>{}</p>", lines) or "–"

    @display(description="Came to")
    def came_to(self, check: HistoryCheck) -> str:
        return shown_reached(check) or "–"


def _check(request: HttpRequest, streams: list[str] | None) -> None:
    check = call_service(
        request,
        lambda: check_history(
            actor=person_of(request), streams=streams, seconds=WAITED_SECONDS
        ),
        success="",
    )
    if check is None:
        return
    if check.reached:
        messages.warning(
            request,
            f"{check.stream_count} streams were recomputed in {WAITED_SECONDS} "
            "seconds. A worker goes on with the others; the newest check says how far.",
        )
    elif check.is_passing:
        messages.success(request, "The history was recomputed; the check is recorded.")
    if not check.is_passing:
        broken = f"The history is broken in {_count(check.fault_count)}."
        for fault in shown_faults(check)[:1]:
            said = _say_fault(fault, say_streams([fault["stream"]]))
            broken += f" The first: {said}"
        messages.error(request, broken)


def _count(faults: int) -> str:
    return "one place" if faults == 1 else f"{faults} places"


def _say_fault(fault: dict[str, Any], streams: dict[str, str]) -> str:
    """Return one fault as a sentence: where it is, and what it is."""
    where = show_hidden(streams[fault["stream"]])
    return f"{where}, entry {fault['sequence']}: {fault['message']}."


def _as_block(value: Any) -> str:
    if value is None:
        return "–"
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html('<pre class="ev-json">{}</pre>', text)

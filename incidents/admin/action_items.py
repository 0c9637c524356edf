"""Action items in the admin: the list over all cases, one item, adding."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin, person_of, read_key
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.form_places import FormPlaces
from evidence.admin.methods import takes_forms
from evidence.admin.page_actions import ActionPages, RefusedForm
from evidence.errors import CasefileError
from evidence.templatetags.casefile import badge
from incidents.admin.action_item_forms import (
    ACTIONS,
    ActionItemForm,
    form_after_conflict,
)
from incidents.admin.cockpit import find_incident
from incidents.errors import EditConflict
from incidents.models import ActionItem, Incident
from incidents.services.changes import WORK
from incidents.services.postmortems.action_items import (
    add_action_item,
    edit_action_item,
)
from incidents.workflow.postmortem import ActionItemState

DUE_SOON_DAYS = 3
PAGE = "incidents/postmortem/action_item.html"


class OwnerFilter(admin.SimpleListFilter):
    title = "owner"
    parameter_name = "mine"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Mine")]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(owner=request.user) if self.value() else queryset


class OverdueFilter(admin.SimpleListFilter):
    title = "due"
    parameter_name = "overdue"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Overdue")]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        return queryset.filter(
            state=ActionItemState.OPEN, due_on__lt=timezone.now().date()
        )


@admin.register(ActionItem)
class ActionItemAdmin(ActionPages, ReadOnlyAdmin):
    """Open ones first, soonest first; every change goes through a service."""

    list_display = (
        "summary",
        "type_label",
        "owner",
        "due",
        "ticket_link",
        "state_label",
        "case",
    )
    list_display_links = ("summary",)
    list_filter = (OwnerFilter, OverdueFilter, "state", "item_type")
    list_select_related = ("owner", "incident")
    list_per_page = 50
    search_fields = ("text", "ticket", "incident__reference")
    actions = None
    page_actions = ACTIONS

    def get_queryset(self, request: HttpRequest) -> QuerySet[ActionItem]:
        return ActionItem.objects.visible_to(request.user).select_related(
            "owner", "incident"
        )

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # "open" sorts after "done" and "dropped".
        return ("-state", "due_on", "id")

    @display(description="Action item")
    def summary(self, row: ActionItem) -> str:
        return row.text

    @display(description="Type", ordering="item_type")
    def type_label(self, row: ActionItem) -> str:
        return str(row.get_item_type_display())

    @display(description="Due", ordering="due_on")
    def due(self, row: ActionItem) -> SafeString:
        return due_badge(row)

    @display(description="Ticket")
    def ticket_link(self, row: ActionItem) -> SafeString | str:
        if not row.ticket_url:
            return row.ticket or "–"
        return format_html(
            '<a href="{}" rel="noopener noreferrer nofollow">{}</a>',
            row.ticket_url,
            row.ticket or row.ticket_url,
        )

    @display(description="State", ordering="state")
    def state_label(self, row: ActionItem) -> SafeString:
        return badge(row.state, row.get_state_display(), kind="action item")

    @display(description="Incident", ordering="incident__reference")
    def case(self, row: ActionItem) -> SafeString:
        return format_html(
            '<a class="cf-reference" href="{}">{}</a>',
            reverse("admin:incidents_incident_change", args=[row.incident_id]),
            row.incident.reference,
        )

    # --- pages ----------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("new/<int:incident_id>/", self.new_view, "new"),
            *super().get_urls(),
        ]

    @takes_forms
    def new_view(self, request: HttpRequest, incident_id: int) -> HttpResponse:
        """Add an item to a case; closed ones take them too."""
        incident = find_incident(request, str(incident_id))
        if not request.user.has_perm(WORK):
            raise PermissionDenied
        return answer_form(
            request,
            make=lambda data, files: ActionItemForm(
                data, initial={"owner": request.user.pk}
            ),
            run=lambda form: _add(request, incident, form),
            show=lambda form, error: draw_page(
                request,
                PAGE,
                title=f"New action item of {incident.reference}",
                form=form,
                incident=incident,
                row=None,
                can_work=True,
            ),
        )

    @takes_forms
    def object_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = _find(request, object_id)
        if request.method == "POST" and not request.user.has_perm(WORK):
            raise PermissionDenied
        return answer_form(
            request,
            make=lambda data, files: ActionItemForm(data, row=row),
            run=lambda form: _save(request, row, form),
            show=lambda form, error: self._page(request, row, form, error=error),
        )

    def _page(
        self,
        request: HttpRequest,
        row: ActionItem,
        form: ActionItemForm,
        *,
        error: CasefileError | None = None,
        refused: RefusedForm | None = None,
    ) -> HttpResponse:
        conflict = error if isinstance(error, EditConflict) else None
        if conflict:
            form = form_after_conflict(form, row, conflict)
        return draw_page(
            request,
            PAGE,
            title=f"Action item of {row.incident.reference}",
            form=form,
            incident=row.incident,
            row=row,
            due=due_badge(row),
            conflict=conflict,
            places=FormPlaces(
                self,
                row,
                request.user,
                here=refused.here if refused else self.page_of(row),
                refused=refused,
            ),
            can_work=request.user.has_perm(WORK),
            status=409 if conflict else 200,
        )

    def find(self, request: HttpRequest, pk: Any) -> ActionItem:
        return _find(request, str(pk))

    def show(
        self, request: HttpRequest, obj: Any, *, refused: RefusedForm | None = None
    ) -> HttpResponse:
        return self._page(request, obj, ActionItemForm(row=obj), refused=refused)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        row = _find(request, object_id)
        page = reverse("admin:incidents_incident_change", args=[row.incident_id])
        return HttpResponseRedirect(f"{page}?tab=history")


def due_badge(row: ActionItem) -> SafeString:
    """Return the due date, marked where it is near or past."""
    days = (row.due_on - timezone.now().date()).days
    if row.is_open and days < 0:
        return badge("overdue", f"{row.due_on}, {-days} d overdue")
    if row.is_open and days <= DUE_SOON_DAYS:
        note = f"in {days} d" if days else "today"
        return badge("due soon", f"{row.due_on}, {note}")
    return badge("due later", row.due_on)


def _add(
    request: HttpRequest, incident: Incident, form: ActionItemForm
) -> HttpResponse:
    row = add_action_item(
        actor=person_of(request), incident_id=incident.pk, item=form.as_fields()
    )
    messages.success(request, "The action item is added.")
    return HttpResponseRedirect(_way_back(row))


def _save(request: HttpRequest, row: ActionItem, form: ActionItemForm) -> HttpResponse:
    edit_action_item(
        actor=person_of(request),
        action_item_id=row.pk,
        revision=form.cleaned_data["revision"] or 0,
        item=form.as_fields(),
    )
    messages.success(request, "Saved.")
    return HttpResponseRedirect(request.path)


def _find(request: HttpRequest, object_id: str) -> ActionItem:
    found = (
        ActionItem.objects.visible_to(request.user)
        .select_related("owner", "incident", "created_by", "closed_by", "cycle")
        .filter(pk=read_key(object_id))
        .first()
    )
    if found is None:
        raise Http404
    return found


def _page_of(row: ActionItem) -> str:
    return reverse("admin:incidents_actionitem_change", args=[row.pk])


def _way_back(row: ActionItem) -> str:
    """Return the postmortem that the item belongs to, or the item's own page."""
    postmortem = getattr(row.cycle, "postmortem", None)
    if postmortem is None:
        return _page_of(row)
    page = reverse("admin:incidents_postmortem_change", args=[postmortem.pk])
    return f"{page}#action-items"

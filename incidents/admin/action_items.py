"""Action items in the admin: the list over all cases, one item, adding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin, person_of
from evidence.errors import CasefileError, PermissionRefused
from incidents.admin.cockpit import find_incident
from incidents.admin.forms import words, workers
from incidents.errors import EditConflict
from incidents.models import ActionItem
from incidents.services.changes import REASON_LENGTH, WORK
from incidents.services.postmortems.action_items import (
    TEXT_LENGTH,
    TICKET_LENGTH,
    URL_LENGTH,
    ActionItemFields,
    add_action_item,
    close_action_item,
    edit_action_item,
    reopen_action_item,
)
from incidents.workflow.postmortem import ActionItemState, ActionItemType

STATE_TONES = {
    ActionItemState.OPEN: "calm",
    ActionItemState.DONE: "done",
    ActionItemState.DROPPED: "quiet",
}


class ActionItemForm(forms.Form):
    """What an action item says, with the revision that was read."""

    revision = forms.IntegerField(
        widget=forms.HiddenInput, required=False, min_value=1, max_value=2**31 - 1
    )
    text = forms.CharField(label="What is to be done", max_length=TEXT_LENGTH)
    item_type = forms.ChoiceField(label="Type", choices=words(ActionItemType))
    owner = forms.ModelChoiceField(User.objects.none())
    due_on = forms.DateField(
        label="Due", widget=forms.DateInput(attrs={"type": "date"})
    )
    ticket = forms.CharField(required=False, max_length=TICKET_LENGTH)
    ticket_url = forms.CharField(
        label="Web address of the ticket",
        required=False,
        max_length=URL_LENGTH,
        widget=forms.URLInput,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = workers()  # type: ignore[attr-defined]

    def as_fields(self) -> ActionItemFields:
        data = self.cleaned_data
        return ActionItemFields(
            text=data["text"],
            item_type=ActionItemType(data["item_type"]),
            owner=data["owner"],
            due_on=data["due_on"],
            ticket=data["ticket"],
            ticket_url=data["ticket_url"],
        )


class CloseForm(forms.Form):
    state = forms.ChoiceField(
        choices=[("done", "Done"), ("dropped", "Dropped, not to be done")]
    )
    outcome = forms.CharField(max_length=REASON_LENGTH)


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=REASON_LENGTH)


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
class ActionItemAdmin(ReadOnlyAdmin):
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
    show_full_result_count = False
    actions = None

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
        return format_html(
            '<span class="cf-badge" data-tone="{}">{}</span>',
            STATE_TONES[ActionItemState(row.state)],
            row.get_state_display(),
        )

    @display(description="Incident", ordering="incident__reference")
    def case(self, row: ActionItem) -> SafeString:
        return format_html(
            '<a class="cf-reference" href="{}">{}</a>',
            reverse("admin:incidents_incident_change", args=[row.incident_id]),
            row.incident.reference,
        )

    # --- pages ----------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            wrapped = self.admin_site.admin_view(view)
            return path(route, wrapped, name=f"incidents_actionitem_{name}")

        return [
            page("new/<int:incident_id>/", self.new_view, "new"),
            page("<path:object_id>/do/<slug:name>/", self.do_view, "do"),
            *super().get_urls(),
        ]

    def new_view(self, request: HttpRequest, incident_id: int) -> HttpResponse:
        """Add an item to a case; closed ones take them too."""
        incident = find_incident(request, str(incident_id))
        if not request.user.has_perm(WORK):
            raise PermissionDenied
        form = ActionItemForm(request.POST or None, initial={"owner": request.user.pk})
        if request.method == "POST" and form.is_valid():
            try:
                row = add_action_item(
                    actor=person_of(request),
                    incident_id=incident.pk,
                    item=form.as_fields(),
                )
            except CasefileError as error:
                form.add_error(None, _sentence(error.message))
            else:
                messages.success(request, "The action item is added.")
                return HttpResponseRedirect(_way_back(row))
        return self._render(
            request,
            title=f"New action item of {incident.reference}",
            form=form,
            incident=incident,
            row=None,
            can_work=True,
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        row = _find(request, object_id)
        can_work = request.user.has_perm(WORK)
        form = ActionItemForm(request.POST or None, initial=_initial(row))
        conflict: EditConflict | None = None
        if request.method == "POST":
            if not can_work:
                raise PermissionDenied
            if form.is_valid():
                try:
                    edit_action_item(
                        actor=person_of(request),
                        action_item_id=row.pk,
                        revision=form.cleaned_data["revision"] or 0,
                        item=form.as_fields(),
                    )
                except EditConflict as error:
                    conflict, form = error, _form_after_conflict(form, error)
                except CasefileError as error:
                    form.add_error(None, _sentence(error.message))
                else:
                    messages.success(request, "Saved.")
                    return HttpResponseRedirect(request.path)
        return self._render(
            request,
            title=f"Action item of {row.incident.reference}",
            form=form,
            incident=row.incident,
            row=row,
            due=due_badge(row),
            conflict=conflict,
            can_work=can_work,
            status=409 if conflict else 200,
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        row = _find(request, object_id)
        page = reverse("admin:incidents_incident_change", args=[row.incident_id])
        return HttpResponseRedirect(f"{page}?tab=history")

    def do_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        return _post_only(request, object_id, name)

    def _render(
        self, request: HttpRequest, *, status: int = 200, **context: Any
    ) -> TemplateResponse:
        request.current_app = self.admin_site.name
        context = {**self.admin_site.each_context(request), **context}
        return TemplateResponse(
            request, "incidents/postmortem/action_item.html", context, status=status
        )


def due_badge(row: ActionItem) -> SafeString:
    """Return the due date, marked where it is near or past."""
    days = (row.due_on - timezone.now().date()).days
    tone, note = "quiet", ""
    if row.is_open and days < 0:
        tone, note = "late", f", {-days} d overdue"
    elif row.is_open and days <= 3:
        tone, note = "warn", ", today" if not days else f", in {days} d"
    return format_html(
        '<span class="cf-badge" data-tone="{}">{}{}</span>', tone, row.due_on, note
    )


@require_POST
def _post_only(request: HttpRequest, object_id: str, name: str) -> HttpResponse:
    row = _find(request, object_id)
    if name not in ACTIONS:
        raise Http404
    form_class, run = ACTIONS[name]
    form = form_class(request.POST)
    if not form.is_valid():
        messages.error(
            request, "Say what came of it." if name == "close" else "Say why."
        )
        return HttpResponseRedirect(_page_of(row))
    try:
        run(request, row, form.cleaned_data)
    except PermissionRefused as error:
        raise PermissionDenied(error.message) from error
    except CasefileError as error:
        messages.error(request, _sentence(error.message))
    else:
        messages.success(request, "Saved.")
    return HttpResponseRedirect(_page_of(row))


def _close(request: HttpRequest, row: ActionItem, data: dict[str, Any]) -> None:
    close_action_item(
        actor=person_of(request),
        action_item_id=row.pk,
        state=ActionItemState(data["state"]),
        outcome=data["outcome"],
    )


def _reopen(request: HttpRequest, row: ActionItem, data: dict[str, Any]) -> None:
    reopen_action_item(
        actor=person_of(request), action_item_id=row.pk, reason=data["reason"]
    )


Run = Callable[[HttpRequest, ActionItem, dict[str, Any]], None]
ACTIONS: dict[str, tuple[type[forms.Form], Run]] = {
    "close": (CloseForm, _close),
    "reopen": (ReasonForm, _reopen),
}


def _find(request: HttpRequest, object_id: str) -> ActionItem:
    if not object_id.isdecimal() or len(object_id) > 18:
        raise Http404
    found = (
        ActionItem.objects.visible_to(request.user)
        .select_related("owner", "incident", "created_by", "closed_by", "cycle")
        .filter(pk=int(object_id))
        .first()
    )
    if found is None:
        raise Http404
    return found


def _initial(row: ActionItem) -> dict[str, Any]:
    names = ("revision", "text", "item_type", "due_on", "ticket", "ticket_url")
    return {"owner": row.owner_id, **{name: getattr(row, name) for name in names}}


def _form_after_conflict(
    form: ActionItemForm, conflict: EditConflict
) -> ActionItemForm:
    """Return the form as it was typed, with the revision that is now on screen."""
    typed = {name: form.data.get(name) for name in form.fields}
    again = ActionItemForm({**typed, "revision": str(conflict.revision)})
    again.is_valid()
    return again


def _page_of(row: ActionItem) -> str:
    return reverse("admin:incidents_actionitem_change", args=[row.pk])


def _way_back(row: ActionItem) -> str:
    """Return the postmortem that the item belongs to, or the item's own page."""
    postmortem = getattr(row.cycle, "postmortem", None)
    if postmortem is None:
        return _page_of(row)
    page = reverse("admin:incidents_postmortem_change", args=[postmortem.pk])
    return f"{page}#action-items"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."

"""Cases in the admin: the list, opening, the incident page, editing and exports."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET
from unfold.decorators import display

from evidence.admin.base import CasefileAdmin, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.form_places import FormPlaces
from evidence.admin.methods import takes_forms
from evidence.admin.page_actions import ActionPages, RefusedForm
from evidence.errors import CasefileError
from evidence.handling import Tlp
from evidence.markup import fill
from evidence.templatetags.casefile import badge, show_mark, show_moment
from incidents.admin.case_actions import ACTIONS
from incidents.admin.case_forms import EditIncidentForm, OpenIncidentForm, initial_of
from incidents.admin.case_list import (
    AgeFilter,
    BreachedFilter,
    DetectedFilter,
    HoldFilter,
    MineFilter,
    PhaseTimeFilter,
    UnverifiedFilter,
)
from incidents.admin.case_watch import changes_view
from incidents.admin.cockpit import cockpit_context, find_incident
from incidents.admin.hold_actions import HOLD_ACTIONS
from incidents.admin.mark_actions import MARK_ACTIONS
from incidents.admin.overview_pages import my_items_view, preview_view
from incidents.admin.response_times import response_times_csv, response_times_view
from incidents.admin.restriction_actions import RESTRICTION_ACTIONS, look_in_view
from incidents.admin.system_page import repeat_view, system_view
from incidents.admin.timeline_tab import read_timeline
from incidents.case_queries import search_cases, with_running_phase, worst_first
from incidents.errors import EditConflict
from incidents.models import Incident
from incidents.models.case_orders import WORST_FIRST
from incidents.phase_views import running_clock
from incidents.services.changes import WORK
from incidents.services.lifecycle.editing import IncidentChanges, edit_incident
from incidents.services.lifecycle.opening import open_incident
from incidents.templatetags.incidents import clock_html
from incidents.timeline_export import write_csv, write_markdown
from incidents.workflow.phases import Phase


@admin.register(Incident)
class IncidentAdmin(ActionPages, CasefileAdmin):
    """Rows come through `visible_to`; every change goes through a service."""

    list_display = (
        "reference_link",
        "title",
        "class_code",
        "severity_label",
        "mark",
        "phase_name",
        "clock",
        "lead",
        "activity",
    )
    list_display_links = ("reference_link", "title")
    list_filter = (
        MineFilter,
        BreachedFilter,
        UnverifiedFilter,
        HoldFilter,
        "status",
        "severity",
        "tlp",
        "resolution",
        "functional_impact",
        "information_impact",
        "playbook_version__playbook",
        DetectedFilter,
        AgeFilter,
        PhaseTimeFilter,
    )
    list_select_related = ("playbook_version__playbook", "lead")
    list_per_page = 50
    search_fields = ("reference",)
    search_help_text = "Reference, title, extension or call ID"
    list_filter_submit = False
    actions = None
    page_actions = {
        **ACTIONS,
        **MARK_ACTIONS,
        **HOLD_ACTIONS,
        **RESTRICTION_ACTIONS,
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        return (
            with_running_phase(worst_first(Incident.objects.visible_to(request.user)))
            .select_related("playbook_version__playbook", "lead")
            .defer("playbook_version__document")
        )

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        return WORST_FIRST

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Incident], search_term: str
    ) -> tuple[QuerySet[Incident], bool]:
        return search_cases(queryset, search_term), False

    def has_change_permission(
        self, request: HttpRequest, obj: Incident | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Incident | None = None
    ) -> bool:
        return False

    # --- columns --------------------------------------------------------------------

    @display(description="Reference", ordering="reference")
    def reference_link(self, incident: Incident) -> SafeString:
        restricted = badge("restricted", "Restricted") if incident.is_restricted else ""
        return fill(
            '<span class="cf-reference">{}</span> {}', incident.reference, restricted
        )

    @display(description="Class")
    def class_code(self, incident: Incident) -> SafeString:
        playbook = incident.playbook_version.playbook
        return fill(
            '<span title="{}" class="cf-nowrap">{}</span>',
            playbook.title,
            playbook.code,
        )

    @display(description="Severity")
    def severity_label(self, incident: Incident) -> SafeString:
        return badge(incident.severity, incident.get_severity_display())

    @display(description="Mark")
    def mark(self, incident: Incident) -> SafeString:
        return show_mark(incident.tlp)

    @display(description="Phase")
    def phase_name(self, incident: Incident) -> str:
        if not incident.is_open:
            return str(incident.get_status_display())
        phase = incident.current_cycle.running_phase
        return str(phase) if phase else "Ready to close"

    @display(description="Clock")
    def clock(self, incident: Incident) -> SafeString | str:
        view = running_clock(incident, timezone.now())
        return clock_html(view) if view else "–"

    @display(description="Last activity", ordering="last_activity_at")
    def activity(self, incident: Incident) -> SafeString | str:
        return show_moment(incident.last_activity_at, "day")

    # --- pages ----------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("preview/", preview_view, "preview"),
            self.page("my-items/", my_items_view, "my_items"),
            self.page("system/", system_view, "system"),
            self.page("system/repeat/", repeat_view, "repeat_work"),
            self.page("look-in/", look_in_view, "look_in"),
            self.page("metrics/", response_times_view, "metrics"),
            self.page("metrics/<slug:table>.csv", response_times_csv, "metrics_csv"),
            self.page(
                "<path:object_id>/changes/", require_GET(changes_view), "changes"
            ),
            self.page("<path:object_id>/edit/", self.edit_view, "edit"),
            self.page("<path:object_id>/timeline.csv", self.csv_view, "timeline_csv"),
            self.page(
                "<path:object_id>/timeline.md", self.markdown_view, "timeline_md"
            ),
            *super().get_urls(),
        ]

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return answer_form(
            request,
            make=lambda data, files: OpenIncidentForm(data),
            run=lambda form: _open(request, form),
            show=lambda form, error: draw_page(
                request,
                "incidents/open.html",
                title="Open an incident",
                form=form,
                opts=self.opts,
            ),
        )

    def object_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.show(request, find_incident(request, object_id))

    def find(self, request: HttpRequest, pk: Any) -> Incident:
        return find_incident(request, str(pk))

    def show(
        self, request: HttpRequest, obj: Any, *, refused: RefusedForm | None = None
    ) -> HttpResponse:
        if refused and refused.key == "complete-phase":
            request.GET = _marked_gate(request, refused)
        context = cockpit_context(request, obj)
        here = refused.here if refused else request.get_full_path()
        context["places"] = FormPlaces(
            self, obj, request.user, here=here, refused=refused
        )
        return draw_page(
            request, "incidents/incident.html", title=obj.reference, **context
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        incident = find_incident(request, object_id)
        return HttpResponseRedirect(f"{_page_of(incident)}?tab=history")

    @takes_forms
    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        incident = find_incident(request, object_id)
        if not request.user.has_perm(WORK):
            raise PermissionDenied

        def show(form: EditIncidentForm, error: CasefileError | None) -> HttpResponse:
            conflict = error if isinstance(error, EditConflict) else None
            if conflict:
                form = _form_after_conflict(request, incident, conflict)
            return draw_page(
                request,
                "incidents/edit.html",
                title=f"Edit {incident.reference}",
                form=form,
                incident=incident,
                conflict=conflict,
                status=409 if conflict else 200,
            )

        return answer_form(
            request,
            make=lambda data, files: EditIncidentForm(data, incident=incident),
            run=lambda form: _edit(request, incident, form),
            show=show,
        )

    def csv_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        incident = find_incident(request, object_id)
        body = write_csv(read_timeline(request, incident).all())
        return _download(body, "text/csv", _timeline_name(incident, "csv"))

    def markdown_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        incident = find_incident(request, object_id)
        body = write_markdown(incident, read_timeline(request, incident).all())
        return _download(body, "text/markdown", _timeline_name(incident, "md"))


def _open(request: HttpRequest, form: OpenIncidentForm) -> HttpResponse:
    data = form.cleaned_data
    before = timezone.now()
    incident = open_incident(
        actor=person_of(request),
        playbook_version=data["playbook"].current_version,
        title=data["title"],
        severity=data["severity"] or None,
        detected_at=data["detected_at"],
        source=data["source"],
        extension_ids=data["extension_ids"],
        lead=data["lead"],
        team=data["team"],
        labels=data["labels"],
        restricted_to=form.restricted_to,
    )
    messages.success(request, f"{incident.reference} is open.")
    _tell_of_new(request, incident, before)
    return HttpResponseRedirect(_page_of(incident))


def _edit(
    request: HttpRequest, incident: Incident, form: EditIncidentForm
) -> HttpResponse:
    """Save what was changed in the form: what was not touched stays as it was."""
    data = form.cleaned_data
    changes: Any = {name: data[name] for name in form.touched}
    before = timezone.now()
    edit_incident(
        actor=person_of(request),
        incident_id=incident.pk,
        revision=data["revision"],
        changes=IncidentChanges(**changes),
        reason=data["reason"],
    )
    messages.success(request, "Saved.")
    _tell_of_new(request, incident, before)
    return HttpResponseRedirect(_page_of(incident))


def _tell_of_new(request: HttpRequest, incident: Incident, before: dt.datetime) -> None:
    """Name the extensions that nothing had named before: a slip shows here at once."""
    for extension in incident.extensions.filter(first_seen_at__gte=before):
        messages.warning(
            request,
            f"{extension.shown_id} is new here: no alert, bundle or record has named "
            "it. If that is a slip, edit the case before anything is killed.",
        )


def _marked_gate(request: HttpRequest, refused: RefusedForm) -> Any:
    """Return the page's query with the gate that was asked for and did not pass."""
    query = request.GET.copy()
    phase = str(refused.form.data.get("phase", ""))
    if phase in Phase.__members__.values():
        query["refused"] = phase
    return query


def _form_after_conflict(
    request: HttpRequest, incident: Incident, conflict: EditConflict
) -> EditIncidentForm:
    """Return the form as it was typed, with the revision that is now on screen.

    A field that this person left as it was takes the value that somebody else gave it:
    saving again overwrites only what they changed themselves.
    """
    data = request.POST.copy()
    data["revision"] = str(conflict.revision)
    current = initial_of(Incident.objects.get(pk=incident.pk))
    for change in conflict.changes:
        name = "extension_ids" if change.field == "extensions" else change.field
        if name in current and change.wanted == change.before:
            field = EditIncidentForm.base_fields[name]
            value = field.prepare_value(current[name])
            data[name] = "" if value is None else str(value)
    again = EditIncidentForm(data, incident=incident)
    again.is_valid()
    return again


def _page_of(incident: Incident) -> str:
    return reverse("admin:incidents_incident_change", args=[incident.pk])


def _timeline_name(incident: Incident, ending: str) -> str:
    mark = Tlp(incident.tlp).in_file_name
    return f"{incident.reference}-timeline_{mark}.{ending}"


def _download(body: str, media_type: str, name: str) -> HttpResponse:
    return HttpResponse(
        body,
        content_type=f"{media_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )

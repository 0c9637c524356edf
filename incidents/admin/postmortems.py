"""Postmortems in the admin: list, reading page, editor, comparison, exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin, read_key
from evidence.admin.drawing import draw_page
from evidence.admin.form_places import FormPlaces
from evidence.admin.item_page import describe_work
from evidence.admin.methods import takes_forms
from evidence.admin.page_actions import ActionPages, RefusedForm
from evidence.errors import CasefileError
from evidence.models import WorkState
from evidence.templatetags.casefile import badge, show_moment
from incidents.admin.postmortem_actions import ACTIONS
from incidents.admin.postmortem_editor import (
    edit_draft,
    open_draft,
    page_of,
    save_by_script,
)
from incidents.admin.postmortem_files import files_context, pending_files
from incidents.admin.postmortem_views import (
    choose_version,
    find_postmortem,
    list_versions,
    page_context,
)
from incidents.models import Postmortem, PostmortemArchiving, PostmortemVersion
from incidents.services.postmortems.archive import render_version
from incidents.services.postmortems.drafts import current_draft
from incidents.services.postmortems.marks import mark_of_version, marked_json
from incidents.services.postmortems.pdfs import stored_pdf
from incidents.workflow.postmortem import PostmortemState
from incidents.workflow.postmortem_diff import compare_sections

NO_PDF_YET = (
    "This version is not there as PDF yet. Under Export, have it made, or see how far "
    "it is."
)
ARCHIVE_WORDS = {
    WorkState.QUEUED: "Queued",
    WorkState.RUNNING: "Being archived",
    WorkState.DONE: "Archived",
    WorkState.FAILED: "Failed",
    WorkState.GAVE_UP: "Gave up",
}


@admin.register(Postmortem)
class PostmortemAdmin(ActionPages, ReadOnlyAdmin):
    """Rows come through `visible_to`; every change goes through a service."""

    list_display = (
        "reference",
        "title",
        "state_label",
        "version_number",
        "signed_by",
        "archived",
        "changed",
    )
    list_display_links = ("reference", "title")
    list_filter = ("state", "cycle__incident__severity")
    list_per_page = 50
    search_fields = ("cycle__incident__reference", "cycle__incident__title")
    ordering = ("-changed_at", "-id")
    actions = None
    page_actions = ACTIONS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Postmortem]:
        newest = PostmortemVersion.objects.filter(postmortem=OuterRef("pk")).order_by(
            "-number"
        )
        return (
            Postmortem.objects.visible_to(request.user)
            .select_related("cycle__incident")
            .annotate(
                newest_number=Subquery(newest.values("number")[:1]),
                newest_archiving=Subquery(
                    PostmortemArchiving.objects.filter(
                        review__version__postmortem=OuterRef("pk")
                    ).values("state")[:1]
                ),
                newest_reviewer=Subquery(
                    newest.values("reviews__reviewer__username")[:1]
                ),
            )
        )

    @display(description="Incident", ordering="cycle__incident__reference")
    def reference(self, row: Postmortem) -> SafeString:
        return format_html(
            '<span class="cf-reference">{}</span>', row.incident.reference
        )

    @display(description="Title")
    def title(self, row: Postmortem) -> str:
        return row.incident.title

    @display(description="State", ordering="state")
    def state_label(self, row: Postmortem) -> SafeString:
        return badge(row.state, row.get_state_display(), kind="postmortem")

    @display(description="Version")
    def version_number(self, row: Any) -> str:
        return str(row.newest_number or "–")

    @display(description="Signed by")
    def signed_by(self, row: Any) -> str:
        is_signed = row.state == PostmortemState.SIGNED
        return (row.newest_reviewer if is_signed else "") or "–"

    @display(description="Archive")
    def archived(self, row: Any) -> SafeString | str:
        if row.state != PostmortemState.SIGNED or not row.newest_archiving:
            return "–"
        state = WorkState(row.newest_archiving)
        return badge(state, ARCHIVE_WORDS[state], kind="archive")

    @display(description="Last change", ordering="changed_at")
    def changed(self, row: Postmortem) -> SafeString | str:
        return show_moment(row.changed_at, "day")

    # --- pages ----------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("open/<int:incident_id>/", self.open_view, "open"),
            self.page("<path:object_id>/edit/", self.edit_view, "edit"),
            self.page("<path:object_id>/autosave/", self.autosave_view, "autosave"),
            self.page("<path:object_id>/status/", self.status_view, "status"),
            self.page("<path:object_id>/compare/", self.compare_view, "compare"),
            self.page(
                "<path:object_id>/export.<slug:form>", self.export_view, "export"
            ),
            *super().get_urls(),
        ]

    def object_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.show(request, find_postmortem(request, object_id))

    def find(self, request: HttpRequest, pk: Any) -> Postmortem:
        return find_postmortem(request, str(pk))

    def show(
        self, request: HttpRequest, obj: Any, *, refused: RefusedForm | None = None
    ) -> HttpResponse:
        context = page_context(request, obj)
        context.update(files_context(obj, context["shown"]))
        here = refused.here if refused else request.get_full_path()
        context["places"] = FormPlaces(
            self, obj, request.user, here=here, refused=refused
        )
        return draw_page(
            request, "incidents/postmortem/page.html", title=str(obj), **context
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        incident = find_postmortem(request, object_id).incident
        page = reverse("admin:incidents_incident_change", args=[incident.pk])
        return HttpResponseRedirect(f"{page}?tab=history")

    @takes_forms
    def open_view(self, request: HttpRequest, incident_id: int) -> HttpResponse:
        return open_draft(request, str(incident_id))

    @takes_forms
    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the editor; without its script, its button saves and shows conflicts."""
        return edit_draft(request, find_postmortem(request, object_id))

    @takes_forms
    def autosave_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return save_by_script(request, object_id)

    def status_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """Return what workers still have to do for the postmortem's files."""
        postmortem = find_postmortem(request, object_id)
        work = [describe_work(each) for each in pending_files(postmortem)]
        return JsonResponse({"pending": work}, headers={"Cache-Control": "no-store"})

    def compare_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Compare two versions, or the newest with the draft, side by side."""
        postmortem = find_postmortem(request, object_id)
        versions = list_versions(postmortem)
        if not versions:
            raise Http404
        new_name = request.GET.get("to") or (
            "draft" if postmortem.is_editable else str(versions[0].version.number)
        )
        old_name = request.GET.get("from") or _name_before(versions, new_name)
        old = _sections_of(postmortem, versions, old_name)
        new = _sections_of(postmortem, versions, new_name)
        diffs = compare_sections(old, new)
        return draw_page(
            request,
            "incidents/postmortem/compare.html",
            title=f"Changes in the postmortem of {postmortem.incident.reference}",
            postmortem=postmortem,
            incident=postmortem.incident,
            versions=versions,
            old_name=old_name,
            new_name=new_name,
            diffs=[diff for diff in diffs if diff.is_changed],
            unchanged=[diff.section for diff in diffs if not diff.is_changed],
        )

    def export_view(
        self, request: HttpRequest, object_id: str, form: str
    ) -> HttpResponse:
        """Hand out a version as Markdown, JSON, or the PDF that a worker made."""
        postmortem = find_postmortem(request, object_id)
        shown = choose_version(list_versions(postmortem), request.GET.get("version"))
        if shown is None or form not in EXPORTS:
            raise Http404
        media_type, read = EXPORTS[form]
        review = shown.signature
        try:
            content = read(shown.version, review)
        except CasefileError as error:
            content = None
            messages.error(request, error.message)
        else:
            if content is None:
                messages.info(request, NO_PDF_YET)
        if content is None:
            page = f"{page_of(postmortem)}?version={shown.version.number}"
            return HttpResponseRedirect(page)
        reference, number = postmortem.incident.reference, shown.version.number
        mark = mark_of_version(shown.version).in_file_name
        name = f"{reference}-postmortem-v{number}_{mark}.{form}"
        return HttpResponse(
            content,
            content_type=media_type,
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "X-Content-Type-Options": "nosniff",
            },
        )


EXPORTS: dict[str, tuple[str, Callable[..., bytes | None]]] = {
    "md": (
        "text/markdown; charset=utf-8",
        lambda version, review: render_version(
            version, review, mark_of_version(version)
        ).encode(),
    ),
    "pdf": ("application/pdf", stored_pdf),
    "json": (
        "application/json",
        lambda version, review: marked_json(version, mark_of_version(version)),
    ),
}


def _name_before(versions: list[Any], name: str) -> str:
    numbers = [version.version.number for version in versions]
    if name == "draft":
        return str(numbers[0])
    older = [number for number in numbers if number < read_key(name)]
    return str(older[0]) if older else name


def _sections_of(
    postmortem: Postmortem, versions: list[Any], name: str
) -> dict[str, str]:
    if name == "draft":
        return dict(current_draft(postmortem).sections)
    view = choose_version(versions, name)
    return dict(view.version.content["sections"]) if view else {}

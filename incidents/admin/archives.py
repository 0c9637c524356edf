"""Case archives in the admin: asked for, followed, handed out, and checked."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin, client_address, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.forms import FLAG_LABELS
from evidence.admin.methods import takes_forms
from evidence.admin.presence_page import ask_presence
from evidence.admin.telling import Waiting, tell
from evidence.errors import CasefileError, PermissionRefused
from evidence.format import REDACTION_FLAGS
from evidence.models import Channel, WorkState
from evidence.templatetags.casefile import badge, show_mark, show_moment
from evidence.text import drop_unstorable
from incidents.admin.archive_copies import show_copies
from incidents.models import ArchiveSeal, CaseArchive, CaseHold, Incident
from incidents.services.archives.checking import BroughtArchive, check_brought
from incidents.services.archives.requests import (
    MAKE,
    open_archive,
    request_archive,
)
from incidents.services.lifecycle.holds import find_hold

HISTORY_WORDS = {
    "extends": "Today's history extends the archive's newest checkpoint.",
    "conflicts": "Today's history does not extend the archive's newest checkpoint: one "
    "of the two was rewritten or cut.",
    "unknown": "The archive has no checkpoint that this installation signed, so its "
    "history cannot be held against today's.",
}


class AskForm(forms.Form):
    """Which case, and what is redacted in the archive."""

    case = forms.CharField(label="Reference of the case")
    redaction = forms.ChoiceField(
        label="Redaction",
        choices=[
            ("none", "None: the whole case, for inside"),
            ("full", "Full: for sharing outside"),
            ("chosen", "Chosen below"),
        ],
        initial="none",
        required=False,
    )
    flags = forms.MultipleChoiceField(
        label="Redact",
        choices=FLAG_LABELS.items(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    deep = forms.BooleanField(
        label="Deep redaction",
        required=False,
        help_text="Takes out what leaks, too: a value or name that stands in a note, a "
        "postmortem or a file's name. Without it, a leak fails the archive.",
    )

    def __init__(self, *args: Any, cases: QuerySet[Incident], **options: Any) -> None:
        super().__init__(*args, **options)
        self.cases = cases

    def clean_case(self) -> Incident:
        """Return the case of this reference, among those the person may see."""
        reference = drop_unstorable(self.cleaned_data["case"]).strip()
        incident = self.cases.filter(reference=reference).first()
        if incident is None:
            raise forms.ValidationError(
                "There is no case of this reference. Check it.", code="no_such_case"
            )
        return incident

    def redaction_members(self) -> dict[str, bool] | None:
        """Return the flags as asked for; None for the whole case."""
        choice = self.cleaned_data["redaction"] or "none"
        if choice == "chosen":
            chosen = self.cleaned_data["flags"]
            return {flag: flag in chosen for flag in REDACTION_FLAGS}
        return dict.fromkeys(REDACTION_FLAGS, True) if choice == "full" else None


class CheckForm(forms.Form):
    archive = forms.FileField(label="Archive (ZIP)")


@admin.register(CaseArchive)
class CaseArchiveAdmin(ReadOnlyAdmin):
    list_display = ("name", "mark", "verdict", "asked", "requested_by", "size")
    list_select_related = ("incident", "requested_by")
    list_filter = ("state",)
    search_fields = ("incident__reference", "sha256_hex")
    fields = (
        *(
            "case",
            "hold",
            "mark",
            "copy",
            "verdict",
            "sha256_hex",
            "size",
            "checkpoint_size",
            "time_stamps",
            "elsewhere",
            "asked",
        ),
        *("requested_by", "last_problem", "failure", "download"),
    )
    readonly_fields = (
        *("case", "hold", "mark", "copy", "verdict", "size", "asked", "download"),
        *("time_stamps", "elsewhere"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CaseArchive]:
        visible = Incident.objects.visible_to(request.user)
        return super().get_queryset(request).filter(incident__in=visible)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAKE)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:pk>/file/", require_GET(self.file_view), "file"),
            self.page("check/", self.check_view, "check"),
            *super().get_urls(),
        ]

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for which case, and on POST have it archived."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        initial = {"case": request.GET.get("case", ""), "redaction": "none"}
        visible = Incident.objects.visible_to(request.user)
        return answer_form(
            request,
            make=lambda data, files: AskForm(
                data, cases=visible, initial=initial, label_suffix=""
            ),
            run=lambda form: _request(request, form),
            show=lambda form, error: draw_page(
                request,
                "incidents/archives/ask.html",
                title="Archive a case",
                opts=self.opts,
                form=form,
                hold=_hold_of_named(request),
            ),
        )

    def file_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        archive = self.get_queryset(request).filter(pk=pk, state=WorkState.DONE).first()
        if archive is None:
            raise Http404
        asked = None if archive.is_redacted else ask_presence(request)
        if asked is not None:
            return asked
        try:
            chunks = open_archive(
                archive_id=archive.pk,
                actor=person_of(request),
                channel=Channel.ADMIN,
                ip_address=client_address(request),
            )
        except PermissionRefused as error:
            raise PermissionDenied from error
        except CasefileError as error:
            messages.error(request, error.message)
            return redirect("admin:incidents_casearchive_change", archive.pk)
        return StreamingHttpResponse(
            chunks,
            content_type="application/zip",
            headers={
                "Content-Disposition": content_disposition_header(
                    True, archive.file_name
                )
                or "attachment"
            },
        )

    @takes_forms
    def check_view(self, request: HttpRequest) -> HttpResponse:
        """Check an archive that somebody brings; nothing of it is kept."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = CheckForm(request.POST or None, request.FILES or None)
        found = None
        if request.method == "POST" and form.is_valid():
            found = _check_upload(form.cleaned_data["archive"], request)
        return draw_page(
            request,
            "incidents/archives/check.html",
            title="Check an archive",
            opts=self.opts,
            form=form,
            found=found,
            history=HISTORY_WORDS[found.history] if found else "",
        )

    @display(description="Archive")
    def name(self, archive: CaseArchive) -> str:
        return archive.file_name

    @display(description="Mark")
    def mark(self, archive: CaseArchive) -> str:
        return show_mark(archive.tlp)

    @display(description="Copy")
    def copy(self, archive: CaseArchive) -> str:
        words = archive.redaction_words.replace("-", " ")
        return f"{'External' if archive.is_redacted else 'Internal'}, {words}"

    @display(description="Hold")
    def hold(self, archive: CaseArchive) -> str:
        hold = find_hold(archive.incident)
        if hold is None:
            return "Not on hold"
        return format_html(
            "{} since {}: nothing of the case is pruned",
            badge("on hold", "On hold"),
            show_moment(hold.held_at),
        )

    @display(description="Case")
    def case(self, archive: CaseArchive) -> str:
        url = reverse("admin:incidents_incident_change", args=[archive.incident_id])
        return format_html(
            '<a class="ev-link" href="{}">{}</a>', url, archive.incident.reference
        )

    @display(description="State")
    def verdict(self, archive: CaseArchive) -> str:
        words = archive.get_state_display()
        if archive.state == WorkState.DONE:
            words = "Archived, its checker found nothing"
        elif archive.state == WorkState.RUNNING:
            words = f"Being made, {archive.progress_percent} %"
        return badge(archive.state, words, kind="archive")

    @display(description="Asked for", ordering="requested_at")
    def asked(self, archive: CaseArchive) -> str:
        return show_moment(archive.requested_at)

    @display(description="Size", ordering="size_bytes")
    def size(self, archive: CaseArchive) -> str:
        if archive.size_bytes is None:
            return "–"
        return f"{archive.size_bytes:,} bytes"

    @display(description="Time stamps")
    def time_stamps(self, archive: CaseArchive) -> str:
        """Show which authorities stamped it; amber where one was asked in vain."""
        seal = ArchiveSeal.objects.filter(archive=archive).first()
        if seal is None:
            return "–"
        given = [f"{row['name']} ({row['place']})" for row in seal.time_stamps]
        if not given and not seal.problem:
            return "No time-stamping authority was configured"
        missing = [badge("waiting", f"Not stamped: {seal.problem}")]
        return format_html_join(
            ", ",
            "{}",
            ((one,) for one in [*given, *(missing if seal.problem else [])]),
        )

    @display(description="Copy elsewhere")
    def elsewhere(self, archive: CaseArchive) -> str:
        """Say of each bucket whether it has the archive, since and until when."""
        return show_copies(archive)

    @display(description="File")
    def download(self, archive: CaseArchive) -> str:
        if archive.state != WorkState.DONE:
            return "–"
        url = reverse("admin:incidents_casearchive_file", args=[archive.pk])
        held = (
            "redacted" if archive.is_redacted else "with everything of the case in it"
        )
        return format_html(
            '<a class="ev-link" href="{}">Download the archive</a>, {}', url, held
        )


def _hold_of_named(request: HttpRequest) -> CaseHold | None:
    """Return the hold on the case that the address names."""
    reference = drop_unstorable(request.GET.get("case", "")).strip()
    visible = Incident.objects.visible_to(request.user)
    incident = visible.filter(reference=reference).first()
    return find_hold(incident) if incident else None


def _check_upload(upload: UploadedFile, request: HttpRequest) -> BroughtArchive:
    with tempfile.NamedTemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        for chunk in upload.chunks():
            file.write(chunk)
        file.flush()
        return check_brought(Path(file.name), actor=person_of(request))


def _request(request: HttpRequest, form: AskForm) -> HttpResponse:
    made = request_archive(
        incident_id=form.cleaned_data["case"].pk,
        actor=person_of(request),
        redaction=form.redaction_members(),
        deep=form.cleaned_data["deep"],
    )
    tell(
        request,
        Waiting("The archive is being made. It counts once its own checker passes."),
    )
    return redirect("admin:incidents_casearchive_change", made.pk)

"""The evidence list, the evidence page, and what can be done from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
    StreamingHttpResponse,
)
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, reverse
from django.utils.html import format_html_join
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST
from unfold.decorators import action, display

from evidence.admin.base import (
    ReadOnlyAdmin,
    call_service,
    client_address,
    person_of,
    read_key,
)
from evidence.admin.drawing import draw_page
from evidence.admin.filters import MarkFilter, OutcomeFilter
from evidence.admin.form_answers import answer_form
from evidence.admin.forms import ExportForm, KindForm
from evidence.admin.item_page import (
    describe_work,
    item_context,
    pending_work,
    pending_work_of,
)
from evidence.admin.methods import takes_forms
from evidence.admin.presence_page import ask_presence
from evidence.admin.sent_forms import has_unsent
from evidence.admin.telling import Waiting, tell
from evidence.admin.uploads import upload_view
from evidence.errors import CasefileError
from evidence.models import Channel, EvidenceItem
from evidence.services import (
    change_kind,
    open_download,
    record_replay_viewing,
    record_viewing,
    repeat_export,
    request_export,
    request_verification,
    request_verifications,
)
from evidence.services.remarks import find_remarks
from evidence.templatetags.casefile import badge, show_mark, show_moment
from evidence.templatetags.evidence import integrity_badge


@admin.register(EvidenceItem)
class EvidenceItemAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "mark",
        "integrity",
        "remarks",
        "kind",
        "case",
        "size",
        "received",
        "received_by",
        "short_sha256",
    )
    list_select_related = ("incident", "received_by")
    list_filter = (OutcomeFilter, MarkFilter, "kind", "channel", "received_at")
    list_per_page = 50
    list_filter_submit = False
    search_fields = ("original_name", "sha256_hex__startswith", "incident__reference")
    search_help_text = "Name, SHA-256 or incident reference"
    actions = ("verify_again",)

    class Media:
        css = {"all": ("evidence/evidence.css",)}

    # --- Rows and rights --------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[EvidenceItem]:
        return EvidenceItem.objects.visible_to(request.user)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list with the remarks on its page's rows, read at once."""
        changes: Any = super().get_changelist_instance(request)
        changes.result_list = list(changes.result_list)
        found = find_remarks(changes.result_list)
        for item in changes.result_list:
            item.remarks = found.get(item.pk, ())
        return changes

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("evidence.add_evidenceitem")

    def has_verify_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("evidence.verify_evidenceitem")

    def lookup_allowed(
        self, lookup: str, value: str, request: HttpRequest | None = None
    ) -> bool:
        return lookup == "incident__id__exact" or super().lookup_allowed(
            lookup, value, request
        )

    # --- Columns ----------------------------------------------------------------

    @display(description="Name", ordering="original_name")
    def name(self, item: EvidenceItem) -> str:
        return item.shown_name

    @display(description="Mark")
    def mark(self, item: EvidenceItem) -> SafeString:
        return show_mark(item.tlp)

    @display(description="Integrity", ordering="latest_outcome")
    def integrity(self, item: Any) -> SafeString:
        return integrity_badge(item.latest_outcome, item.latest_checked_at)

    @display(description="Remarks")
    def remarks(self, item: Any) -> SafeString:
        badges = (
            (badge(remark.kind, remark.text, kind="remark"),) for remark in item.remarks
        )
        return format_html_join(" ", "{}", badges)

    @display(description="Size", ordering="size_bytes")
    def size(self, item: EvidenceItem) -> str:
        return filesizeformat(item.size_bytes)

    @display(description="Incident", ordering="incident__reference")
    def case(self, item: EvidenceItem) -> str:
        return item.incident.reference

    @display(description="Received", ordering="received_at")
    def received(self, item: EvidenceItem) -> str:
        return show_moment(item.received_at)

    @display(description="SHA-256", ordering="sha256_hex")
    def short_sha256(self, item: EvidenceItem) -> str:
        return f"{item.sha256_hex[:12]}…"

    # --- Actions ----------------------------------------------------------------

    @action(description="Verify again", permissions=["verify"])
    def verify_again(
        self, request: HttpRequest, queryset: QuerySet[EvidenceItem]
    ) -> None:
        # By key: the list's own columns are of no use to the service.
        chosen = list(queryset.order_by().values_list("pk", flat=True))
        queued = request_verifications(item_ids=chosen, actor=person_of(request))
        waiting = len(chosen) - queued
        said = f"{queued} verification{' is' if queued == 1 else 's are'} queued."
        if waiting:
            said += f" {waiting} of the chosen items wait for theirs already."
        tell(request, Waiting(said))

    # --- Pages ------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        pages: tuple[tuple[str, Callable[..., Any], str], ...] = (
            ("upload/", upload_view, "upload"),
            ("<int:pk>/download/", require_GET(self.download_view), "download"),
            ("<int:pk>/verify/", require_POST(self.verify_view), "verify"),
            ("<int:pk>/kind/", self.kind_view, "kind"),
            (
                "of/<int:incident_id>/status/",
                require_GET(self.case_status_view),
                "case_status",
            ),
            ("<int:pk>/export/", self.export_view, "export"),
            (
                "<int:pk>/export/<int:export_pk>/again/",
                require_POST(self.export_again_view),
                "export_again",
            ),
            ("<int:pk>/status/", require_GET(self.status_view), "status"),
        )
        own = [self.page(route, view, name) for route, view, name in pages]
        return [*own, *super().get_urls()]

    def add_page(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:evidence_evidenceitem_upload")

    def object_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        item = self._find(request, object_id)
        record_viewing(
            item,
            actor=person_of(request),
            channel=Channel.ADMIN,
            ip_address=client_address(request),
        )
        return self._show(request, item)

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        item = self._find(request, pk)
        if (asked := ask_presence(request)) is not None:
            return asked
        try:
            download = open_download(
                item_id=item.pk,
                actor=person_of(request),
                channel=Channel.ADMIN,
                ip_address=client_address(request),
            )
        except CasefileError as error:
            if error.code == "permission_refused":
                raise PermissionDenied from error
            messages.error(request, error.message)
            return redirect(_page_of(item))
        return StreamingHttpResponse(
            download.chunks,
            # Never shown, whatever it holds: evidence may be hostile.
            content_type="application/octet-stream",
            headers={
                # What is hidden in the name misleads on the taker's disk as well.
                "Content-Disposition": content_disposition_header(
                    True, item.shown_name
                ),
                "Content-Length": str(item.size_bytes),
                "Repr-Digest": download.repr_digest,
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    @takes_forms
    def verify_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        item = self._find(request, pk)
        call_service(
            request,
            lambda: request_verification(item_id=item.pk, actor=person_of(request)),
            success=Waiting("Verification is queued. This page shows how far it is."),
        )
        return HttpResponseRedirect(_page_of(item))

    @takes_forms
    def kind_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change what the item is taken for; a refused form comes back filled."""
        item = self._find(request, pk)
        if request.method != "POST" and not has_unsent(request):
            return HttpResponseRedirect(_page_of(item))
        return answer_form(
            request,
            make=lambda data, files: KindForm(data),
            run=lambda form: _change_kind(request, item, form),
            show=lambda form, error: self._show(
                request, item, status=400, kind_form=form
            ),
        )

    @takes_forms
    def export_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        item = self._find(request, pk)
        page = f"{_page_of(item)}?view=exports"
        if request.method != "POST" and not has_unsent(request):
            return HttpResponseRedirect(page)
        return answer_form(
            request,
            make=lambda data, files: ExportForm(data, item=item),
            run=lambda form: _export(request, item, form),
            show=lambda form, error: self._show_export(request, item, form),
        )

    @takes_forms
    def export_again_view(
        self, request: HttpRequest, pk: int, export_pk: int
    ) -> HttpResponse:
        """Ask once more for an export that failed or was given up."""
        item = self._find(request, pk)
        if not item.export_requests.filter(pk=read_key(export_pk)).exists():
            raise Http404("no such export")
        call_service(
            request,
            lambda: repeat_export(export_id=export_pk, actor=person_of(request)),
            success=Waiting("The export is queued again."),
        )
        return HttpResponseRedirect(f"{_page_of(item)}?view=exports")

    def _show_export(
        self, request: HttpRequest, item: EvidenceItem, form: ExportForm
    ) -> HttpResponse:
        """Draw the item's page with an export's form as it was typed."""
        request.GET = QueryDict("view=exports")
        return self._show(request, item, export_form=form)

    def status_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        item = self._find(request, pk)
        work = [describe_work(pending) for pending in pending_work(item)]
        return JsonResponse({"pending": work}, headers={"Cache-Control": "no-store"})

    def case_status_view(self, request: HttpRequest, incident_id: int) -> JsonResponse:
        """Return what workers still have to do for the evidence of a case."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        items = EvidenceItem.objects.visible_to(request.user)
        pending = pending_work_of(items.filter(incident=incident_id))
        work = [describe_work(each) for each in pending]
        return JsonResponse({"pending": work}, headers={"Cache-Control": "no-store"})

    # --- Helpers ----------------------------------------------------------------

    def _find(self, request: HttpRequest, pk: Any) -> Any:
        """Return the item with what the page shows; a hidden one is a missing one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        items = self.get_queryset(request).select_related(
            "incident", "received_by", "derived_from"
        )
        item = items.filter(pk=read_key(pk)).first()
        if item is None:
            raise Http404("no such evidence")
        return item

    def _show(
        self, request: HttpRequest, item: Any, *, status: int = 200, **more: Any
    ) -> HttpResponse:
        page = item_context(request, item)
        if page["view"] == "replay":
            record_replay_viewing(item, actor=person_of(request))
        context = {
            **page,
            **self._rights(request),
            "title": item.shown_name,
            "opts": self.opts,
            "media": self.media,
            **more,
        }
        return draw_page(request, "evidence/item/page.html", status=status, **context)

    def _rights(self, request: HttpRequest) -> dict[str, bool]:
        return {
            f"can_{name}": request.user.has_perm(f"evidence.{name}_evidenceitem")
            for name in ("verify", "download", "export")
        }


def _change_kind(
    request: HttpRequest, item: EvidenceItem, form: KindForm
) -> HttpResponse:
    change_kind(
        item_id=item.pk,
        **form.cleaned_data,
        actor=person_of(request),
        channel=Channel.ADMIN,
        ip_address=client_address(request),
    )
    messages.success(request, "The kind is changed and recorded.")
    return HttpResponseRedirect(_page_of(item))


def _export(request: HttpRequest, item: EvidenceItem, form: ExportForm) -> HttpResponse:
    request_export(
        item_id=item.pk,
        filter=form.filter_members(),
        redaction=form.redaction_members(),
        deep=form.cleaned_data["deep"],
        more_items=form.cleaned_data.get("more_items", ()),
        actor=person_of(request),
    )
    tell(
        request,
        Waiting("The export is queued. It is handed out once it is verified."),
    )
    return HttpResponseRedirect(f"{_page_of(item)}?view=exports")


def _page_of(item: EvidenceItem) -> str:
    return reverse("admin:evidence_evidenceitem_change", args=[item.pk])

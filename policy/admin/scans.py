"""Source scans: uploads, reports with their entries, and what other scanners miss."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import Count, Min, Q
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST
from unfold.decorators import display

from evidence.admin.base import call_service, client_address, person_of, read_key
from evidence.admin.form_fields import PageForm
from evidence.admin.methods import takes_forms
from evidence.admin.paging import keyset_page
from evidence.admin.telling import Waiting
from evidence.models import UNFINISHED_STATES, Channel, EvidenceItem, EvidenceKind
from evidence.services import receive_evidence
from evidence.templatetags.casefile import badge
from evidence.text import drop_unstorable
from policy.admin import forms
from policy.admin.case_pages import take_in
from policy.admin.pages import OfVisibleIncident, PageAction, PageAdmin
from policy.models import ScanClassification, ScanEntry, ScanReport, ScanRequest
from policy.services.changes import WORK_POLICY
from policy.services.readings import request_reading, unread_bundles
from policy.services.sarif import sarif_of
from policy.services.scans import request_scan

FAMILIES_SHOWN = 60
RULES_SHOWN = 60
FORBIDDEN = Q(classification=ScanClassification.FORBIDDEN)


def _scan_again(request: HttpRequest, report: ScanReport, data: dict[str, Any]) -> str:
    request_scan(item_id=report.item_id, actor=request.user)  # type: ignore[arg-type]
    return Waiting("Another scan is queued. Its report comes on top of the list.")


@admin.register(ScanReport)
class ScanReportAdmin(OfVisibleIncident, PageAdmin):
    incident_path = "item__incident"
    list_display = (
        "source",
        "verdict",
        "incident",
        "forbidden_count",
        "flagged_count",
        "missed_count",
        "file_count",
        "finished_at",
    )
    list_select_related = ("item__incident",)
    list_filter = ("classification",)
    search_fields = ("item__original_name", "item__incident__reference")
    list_before_template = "policy/_scans_waiting.html"
    page_template = "policy/scan.html"
    page_related = ("item__incident", "request__requested_by")
    page_actions = {
        "again": PageAction(
            "Scan again", "Queue another scan", PageForm, _scan_again, WORK_POLICY
        )
    }

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(WORK_POLICY)

    def get_urls(self) -> list[URLPattern]:
        view = require_POST(self.read_again_view)
        again = self.page("read/<int:item_pk>/", view, "read_again")
        sarif = self.page("<int:pk>/sarif/", require_GET(self.sarif_view), "sarif")
        tests = self.page(
            "<int:pk>/tests/", require_GET(self.tests_view), "regression_tests"
        )
        return [again, sarif, tests, *super().get_urls()]

    def sarif_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send a report as a SARIF file."""
        report = self.find(request, pk)
        name = f"scan-{report.pk}_{report.item.tlp.in_file_name}.sarif"
        return JsonResponse(
            sarif_of(report),
            content_type="application/sarif+json",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def tests_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send the regression tests that were cut out of the source, a line each."""
        report = self.find(request, pk)
        lines = [
            json.dumps(test) for test in report.details.get("regression_tests", [])
        ]
        name = f"scan-{report.pk}-tests.jsonl"
        return HttpResponse(
            "".join(f"{line}\n" for line in lines),
            content_type="application/x-ndjson",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @takes_forms
    def read_again_view(self, request: HttpRequest, item_pk: int) -> HttpResponse:
        """Ask once more for a bundle to be read that could not be."""
        visible = EvidenceItem.objects.visible_to(request.user)
        item = visible.filter(pk=read_key(item_pk)).first()
        if item is None:
            raise Http404("no such evidence")
        call_service(
            request,
            lambda: request_reading(item_id=item.pk, actor=person_of(request)),
            success=Waiting("A worker reads the bundle again."),
        )
        return HttpResponseRedirect(reverse("admin:policy_scanreport_changelist"))

    @display(description="Source", ordering="item__original_name")
    def source(self, report: ScanReport) -> str:
        return report.item.original_name

    @display(description="Verdict", ordering="classification")
    def verdict(self, report: ScanReport) -> SafeString:
        if report.refusal:
            return badge("flagged", "Not scanned")
        return badge(report.classification)

    @display(description="Case")
    def incident(self, report: ScanReport) -> str:
        return str(report.item.incident.reference)

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        def run(form: PageForm) -> tuple[str, str]:
            data = form.cleaned_data
            item, _ = receive_evidence(
                incident_id=data["incident"].pk,
                stream=data["file"],
                original_name=data["file"].name or "source",
                channel=Channel.ADMIN,
                actor=person_of(request),
                kind=EvidenceKind.EXTENSION_SOURCE,
                media_type=data["file"].content_type or "",
                ip_address=client_address(request),
            )
            request_scan(item_id=item.pk, actor=request.user)  # type: ignore[arg-type]
            url = reverse("admin:policy_scanreport_changelist")
            return url, Waiting(
                f"{item.original_name} is kept, and its scan is queued."
            )

        return take_in(
            request,
            self,
            permission=WORK_POLICY,
            form_class=forms.SourceForm,
            run=run,
            title="Scan an extension's source",
            button="Keep it and scan it",
            explained="The source is kept as evidence of the case and read by a "
            "worker. It is never run, and an archive is unpacked in memory.",
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        waiting = ScanRequest.objects.filter(state__in=UNFINISHED_STATES)
        context = {
            "waiting": waiting.select_related("item")[:20],
            "unread": unread_bundles().filter(
                item__in=EvidenceItem.objects.visible_to(request.user)
            )[:20],
            "can_work": request.user.has_perm(WORK_POLICY),
        }
        response: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), **context}
        )
        return response

    def page_context(self, request: HttpRequest, obj: ScanReport) -> dict[str, Any]:
        query = {
            name: request.GET[name]
            for name in ("show", "family", "rule", "from", "before")
            if name in request.GET
        }
        rows = _chosen_rows(obj, query)
        return {
            "report": obj,
            "page": keyset_page(rows, key="position", query=query),
            "query": query,
            "classifications": ScanClassification.values,
            "meanings": _meanings(obj),
            "missed": _missed_families(obj),
            "tests": obj.details.get("regression_tests", []),
            "files": obj.details.get("files", []),
            "not_stored": obj.details.get("entries_not_stored", 0),
        }


def _chosen_rows(report: ScanReport, query: dict[str, str]) -> Any:
    rows = ScanEntry.objects.filter(report=report)
    shown = query.get("show", "")
    if shown in ScanClassification.values:
        rows = rows.filter(classification=shown)
    elif shown == "missed":
        rows = rows.filter(is_missed_by_line_scanner=True)
    for name in ("family", "rule"):
        if wanted := drop_unstorable(query.get(name, "")):
            rows = rows.filter(**{name: wanted})
    return rows


def _meanings(report: ScanReport) -> list[Any]:
    """Return what was found by its meaning, the worst first, with how often."""
    found = report.entries.exclude(classification=ScanClassification.SAFE).order_by()
    return list(
        found.values("rule", "classification")
        .annotate(
            count=Count("id"),
            files=Count("file", distinct=True),
            missed=Count("id", filter=Q(is_missed_by_line_scanner=True)),
            first=Min("position"),
        )
        .order_by("first")[:RULES_SHOWN]
    )


def _missed_families(report: ScanReport) -> list[Any]:
    """Return in what forms the line-based scanner is passed by, the worst first."""
    missed = report.entries.filter(is_missed_by_line_scanner=True).order_by()
    return list(
        missed.values("family", "form", "suggested_pattern", "regression_test_idea")
        .annotate(count=Count("id"), forbidden=Count("id", filter=FORBIDDEN))
        .order_by("-forbidden", "-count", "family")[:FAMILIES_SHOWN]
    )

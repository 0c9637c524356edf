"""The upload page: several files, dropped or chosen, with or without scripts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import StopUpload, TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from evidence.admin.base import client_address, person_of
from evidence.admin.forms import UploadForm
from evidence.admin.sent_forms import answer_once
from evidence.errors import CasefileError, UploadTooLarge
from evidence.lookalikes import show_hidden
from evidence.models import Channel, EvidenceItem
from evidence.services import receive_evidence


class EvidenceUploadHandler(TemporaryFileUploadHandler):
    """Writes every file to disk, and stops at the limit instead of filling it."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > settings.EVIDENCE_MAX_BYTES:
            if self.request is not None:
                self.request.META["casefile.too_large"] = True
            raise StopUpload(connection_reset=False)
        super().receive_data_chunk(raw_data, start)


# The handler has to be in place before the token is read from the form.
@csrf_exempt
@require_http_methods(["GET", "POST"])
def upload_view(request: HttpRequest, *, site: AdminSite) -> HttpResponseBase:
    """Show the upload page, or take in what was sent."""
    request.upload_handlers = [EvidenceUploadHandler(request)]
    response: HttpResponseBase = _upload(request, site=site)
    return response


@csrf_protect
def _upload(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
    if not request.user.has_perm("evidence.add_evidenceitem"):
        raise PermissionDenied
    if request.method == "GET":
        initial = {"incident": request.GET.get("incident")}
        return _show(request, site, UploadForm(initial=initial, user=request.user))
    form = UploadForm(request.POST, request.FILES, user=request.user)
    wants_json = request.headers.get("Accept", "").startswith("application/json")
    if request.META.get("casefile.too_large"):
        return _refuse_too_large(request, site, form, wants_json)
    if not form.is_valid():
        if wants_json:
            return JsonResponse({"refused": _first_error(form)}, status=400)
        return _show(request, site, form, status=400)
    if wants_json:
        return _answer_script(_receive_all(request, form))
    return answer_once(
        request,
        lambda: _answer_browser(request, site, form, _receive_all(request, form)),
    )


def _receive_all(
    request: HttpRequest, form: UploadForm
) -> list[tuple[EvidenceItem | None, str]]:
    data = form.cleaned_data
    return [_receive(request, file, data) for file in data["file"]]


def _receive(
    request: HttpRequest, file: UploadedFile, data: dict[str, Any]
) -> tuple[EvidenceItem | None, str]:
    """Return the item, or None, and what to tell the person."""
    name = file.name or "unnamed"
    try:
        item, created = receive_evidence(
            incident_id=data["incident"].pk,
            stream=file,
            original_name=name,
            channel=Channel.ADMIN,
            actor=person_of(request),
            kind=data["kind"] or None,
            media_type=file.content_type or "",
            source=data["source"],
            ip_address=client_address(request),
        )
    except CasefileError as error:
        return None, error.message
    shown = show_hidden(name)
    if not created:
        return item, (
            f"{shown} was there already, as {item.shown_name}: nothing was stored "
            "twice, and the second receipt is in its chain of custody."
        )
    through = f", read through {item.wrapping}" if item.wrapping else ""
    return item, f"{shown} is received as {item.get_kind_display()}{through}."


def _answer_script(results: list[tuple[EvidenceItem | None, str]]) -> JsonResponse:
    item, message = results[0]
    if item is None:
        return JsonResponse({"refused": message}, status=400)
    return JsonResponse(
        {
            "message": message,
            "url": _page_of(item),
            "case_url": _case_page(item.incident_id),
            "sha256": item.sha256_hex,
        }
    )


def _answer_browser(
    request: HttpRequest,
    site: AdminSite,
    form: UploadForm,
    results: list[tuple[EvidenceItem | None, str]],
) -> HttpResponse:
    for item, message in results:
        (messages.success if item else messages.error)(request, message)
    items = [item for item, _ in results if item]
    if len(items) < len(results):
        return _show(request, site, form, status=400)
    if len(items) == 1:
        return redirect(_page_of(items[0]))
    incident = form.cleaned_data["incident"]
    url = reverse("admin:evidence_evidenceitem_changelist")
    return redirect(f"{url}?incident__id__exact={incident.pk}")


def _refuse_too_large(
    request: HttpRequest, site: AdminSite, form: UploadForm, wants_json: bool
) -> HttpResponse:
    error = UploadTooLarge(
        f"A file has more than {settings.EVIDENCE_MAX_BYTES} bytes, the most that is "
        "accepted. Compress it with gzip, or split it. Nothing was stored."
    )
    if wants_json:
        return JsonResponse({"refused": error.message}, status=413)
    messages.error(request, error.message)
    return _show(request, site, form, status=413)


def _show(
    request: HttpRequest, site: AdminSite, form: UploadForm, *, status: int = 200
) -> TemplateResponse:
    context = {
        **site.each_context(request),
        "title": "Add evidence",
        "opts": EvidenceItem._meta,
        "form": form,
        "incident": _case_of(form),
        "max_bytes": settings.EVIDENCE_MAX_BYTES,
    }
    return TemplateResponse(request, "evidence/upload.html", context, status=status)


def _case_of(form: UploadForm) -> Any:
    """Return the case that the page was opened for or that was chosen, if any."""
    chosen = str(form.data.get("incident") or form.initial.get("incident") or "")
    if not (chosen.isascii() and chosen.isdecimal()):
        return None
    field: Any = form.fields["incident"]
    return field.queryset.filter(pk=chosen[:18]).first()


def _first_error(form: UploadForm) -> str:
    for name, errors in form.errors.items():
        return f"{name}: {errors[0]}"
    return "The form is incomplete."


def _case_page(incident_id: int) -> str:
    page = reverse("admin:incidents_incident_change", args=[incident_id])
    return f"{page}?tab=evidence"


def _page_of(item: EvidenceItem) -> str:
    return reverse("admin:evidence_evidenceitem_change", args=[item.pk])

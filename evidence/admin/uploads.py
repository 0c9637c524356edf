"""The upload page: several files, dropped or chosen, with or without scripts."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.contrib import messages
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
from evidence.admin.drawing import draw_page
from evidence.admin.forms import UploadForm
from evidence.admin.methods import takes_forms
from evidence.admin.sent_forms import answer_once
from evidence.admin.single_values import read_form_singly
from evidence.errors import CasefileError, UploadTooLarge, as_refusal
from evidence.models import Channel, EvidenceItem, EvidenceKind
from evidence.services.deliveries import Sending, SentFile, Taken, receive_files

# What may belong together is sent in one request; a larger file by itself, so that it
# shows how far it is and a broken connection costs only that one.
TOGETHER_BYTES = 4 * 1024 * 1024

REFUSAL = "casefile.upload_refusal"
"""Where a request's META says why its files were not read to the end."""


class EvidenceUploadHandler(TemporaryFileUploadHandler):
    """Writes every file to disk; stops at the limit, and where the disk is full."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > settings.EVIDENCE_MAX_BYTES:
            self._stop(
                UploadTooLarge(
                    f"A file has more than {settings.EVIDENCE_MAX_BYTES} bytes, the "
                    "most that is accepted. Compress it with gzip, or split it. "
                    "Nothing was stored."
                )
            )
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError as error:
            refusal = as_refusal(error)
            if not isinstance(refusal, CasefileError):
                raise
            self._stop(refusal)

    def _stop(self, refusal: CasefileError) -> NoReturn:
        if self.request is not None:
            self.request.META[REFUSAL] = refusal
        raise StopUpload(connection_reset=False)


# The handler has to be in place before the token is read from the form.
@csrf_exempt
@require_http_methods(["GET", "POST"])
@takes_forms
def upload_view(request: HttpRequest) -> HttpResponseBase:
    """Show the upload page, or take in what was sent."""
    request.upload_handlers = [EvidenceUploadHandler(request)]
    response: HttpResponseBase = _upload(request)
    return response


@csrf_protect
def _upload(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("evidence.add_evidenceitem"):
        raise PermissionDenied
    if request.method == "GET":
        initial = {"incident": request.GET.get("incident")}
        return _show(request, UploadForm(initial=initial, user=request.user))
    read_form_singly(request)
    form = UploadForm(request.POST, request.FILES, user=request.user)
    wants_json = request.headers.get("Accept", "").startswith("application/json")
    if refusal := request.META.get(REFUSAL):
        return _refuse(request, form, refusal, wants_json=wants_json)
    if not form.is_valid():
        if wants_json:
            return JsonResponse({"refused": _first_error(form)}, status=400)
        return _show(request, form, status=400)
    if wants_json:
        return _answer_script(form, _receive_all(request, form))
    return answer_once(
        request,
        lambda: _answer_browser(request, form, _receive_all(request, form)),
    )


def _receive_all(request: HttpRequest, form: UploadForm) -> list[Taken]:
    data = form.cleaned_data
    return receive_files(
        Sending(
            incident_id=data["incident"].pk,
            files=[_sent_file(file, data["kind"]) for file in data["file"]],
            actor=person_of(request),
            channel=Channel.ADMIN,
            source=data["source"],
            ip_address=client_address(request),
        )
    )


def _sent_file(file: UploadedFile, kind: str) -> SentFile:
    return SentFile(
        name=file.name or "unnamed",
        stream=file,
        size_bytes=file.size or 0,
        media_type=file.content_type or "",
        kind=EvidenceKind(kind) if kind else None,
    )


def _answer_script(form: UploadForm, results: list[Taken]) -> JsonResponse:
    """Return what became of each file, in their order; 400 where none was taken."""
    status = 200 if any(taken.item for taken in results) else 400
    files = [_line_of(taken) for taken in results]
    case_url = _case_page(form.cleaned_data["incident"].pk)
    return JsonResponse({"files": files, "case_url": case_url}, status=status)


def _line_of(taken: Taken) -> dict[str, str]:
    if taken.item is None:
        return {"refused": taken.words}
    return {
        "message": taken.words,
        "url": _page_of(taken.record or taken.item),
        "sha256": taken.item.sha256_hex,
    }


def _answer_browser(
    request: HttpRequest, form: UploadForm, results: list[Taken]
) -> HttpResponse:
    for taken in results:
        (messages.success if taken.item else messages.error)(request, taken.words)
    first = results[0]
    if not all(taken.item for taken in results):
        return _show(request, form, status=400)
    if len(results) == 1:
        return redirect(_page_of(first.record or first.item))
    return redirect(_case_page(form.cleaned_data["incident"].pk))


def _refuse(
    request: HttpRequest,
    form: UploadForm,
    refusal: CasefileError,
    *,
    wants_json: bool,
) -> HttpResponse:
    if wants_json:
        return JsonResponse({"refused": refusal.message}, status=refusal.status)
    messages.error(request, refusal.message)
    return _show(request, form, status=refusal.status)


def _show(
    request: HttpRequest, form: UploadForm, *, status: int = 200
) -> TemplateResponse:
    context = {
        "title": "Add evidence",
        "opts": EvidenceItem._meta,
        "form": form,
        "incident": _case_of(form),
        "max_bytes": settings.EVIDENCE_MAX_BYTES,
        "together_bytes": TOGETHER_BYTES,
    }
    return draw_page(request, "evidence/upload.html", status=status, **context)


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
    """Return the case as it stands: its checklist, where one goes on."""
    return reverse("admin:incidents_incident_change", args=[incident_id])


def _page_of(row: Any) -> str:
    """Return the page of an item, or of what was made of it."""
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])

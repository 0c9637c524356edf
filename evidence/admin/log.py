"""The history log's files, from an entry's page."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from evidence.admin.base import read_key
from evidence.audit.log.reading import entry_proof, newest_checkpoint
from evidence.errors import LogRefused
from evidence.format import canonical_bytes
from evidence.models import AuditEntry


def download_entry_proof(request: HttpRequest, object_id: str) -> HttpResponse:
    """Send the file that proves an entry under the log's public key."""
    if not request.user.has_perm("evidence.view_auditentry"):
        raise PermissionDenied
    entry = AuditEntry.objects.filter(pk=read_key(object_id)).first()
    if entry is None:
        raise Http404
    try:
        proof = entry_proof(entry, newest_checkpoint())
    except LogRefused as refusal:
        messages.warning(request, refusal.message)
        return redirect("admin:evidence_auditentry_change", entry.pk)
    answer = HttpResponse(canonical_bytes(proof), content_type="application/json")
    answer["Content-Disposition"] = (
        f'attachment; filename="entry-{entry.pk}-proof.json"'
    )
    return answer

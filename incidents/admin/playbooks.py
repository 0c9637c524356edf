"""Playbooks in the admin: each reads like a page of the runbook."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from unfold.decorators import display

from evidence.admin.base import CasefileAdmin
from evidence.admin.drawing import draw_page
from incidents.models import Playbook, PlaybookVersion
from incidents.services.cycle_plan import document_of
from incidents.workflow.incident_states import ItemKind
from incidents.workflow.phases import PHASE_ORDER, Phase


@admin.register(Playbook)
class PlaybookAdmin(CasefileAdmin):
    """Read-only: playbooks are loaded from files by `load_playbooks`."""

    list_display = ("code", "title", "version")
    list_display_links = ("code", "title")
    search_fields = ("code", "title")
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Playbook]:
        return super().get_queryset(request).prefetch_related("versions")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Version")
    def version(self, playbook: Playbook) -> str:
        return f"{playbook.current_version.number}"

    def object_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        playbook = self.get_object(request, object_id)
        if playbook is None or not self.has_view_permission(request, playbook):
            raise Http404
        version = _chosen_version(request, playbook)
        context = {
            "title": playbook.code,
            "playbook": playbook,
            "version": version,
            "versions": sorted(
                playbook.versions.all(), key=lambda version: -version.number
            ),
            **playbook_context(version),
        }
        return draw_page(request, "incidents/playbook.html", **context)


def playbook_context(version: PlaybookVersion) -> dict[str, Any]:
    """Return a version in the order of the runbook's pages."""
    document = document_of(version)
    items = document.checklist
    checks = [item for item in items if item.kind is ItemKind.VERIFICATION]
    return {
        "document": document,
        "containment": [check for check in checks if check.phase is Phase.CONTAIN],
        "verification": [check for check in checks if check.phase is Phase.VERIFY],
        "rollbacks": [check for check in checks if check.phase is Phase.REMEDIATE],
        "closing": [check for check in checks if check.phase is Phase.POSTMORTEM],
        "steps": [item for item in items if item.kind is ItemKind.INVESTIGATION],
        "artifacts": [item for item in items if item.kind is ItemKind.ARTIFACT],
        "remediations": [item for item in items if item.kind is ItemKind.REMEDIATION],
        "by_phase": [
            (phase, document.target(phase), document.items(phase))
            for phase in PHASE_ORDER
        ],
    }


def _chosen_version(request: HttpRequest, playbook: Playbook) -> PlaybookVersion:
    wanted = request.GET.get("version", "")
    if not wanted:
        return playbook.current_version
    for version in playbook.versions.all():
        if str(version.number) == wanted:
            return version
    raise Http404

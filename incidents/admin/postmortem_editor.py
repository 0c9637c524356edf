"""The editor of a postmortem: opening, saving, and what others changed meanwhile."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from evidence.accounts.access import name_of
from evidence.admin.base import person_of, read_key
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import NOT_SAVED
from evidence.admin.sent_forms import take_unsent
from evidence.admin.telling import tell
from evidence.errors import CasefileError, PermissionRefused
from evidence.text import unify_lines
from incidents.admin.cockpit import find_incident
from incidents.admin.postmortem_actions import NUMBER_MAX, submit
from incidents.admin.postmortem_views import (
    draft_content,
    find_postmortem,
    section_groups,
)
from incidents.errors import EditConflict
from incidents.models import Postmortem, PostmortemDraft
from incidents.services.changes import WORK
from incidents.services.postmortems.drafts import (
    current_draft,
    open_postmortem,
    save_draft,
)
from incidents.services.postmortems.marks import mark_of_facts
from incidents.workflow.postmortem import SECTION_KEYS, changed_sections, clean_sections

CONFLICT = 409
REFUSED = 422


def page_of(postmortem: Postmortem) -> str:
    """Return the address of a postmortem's reading page."""
    return reverse("admin:incidents_postmortem_change", args=[postmortem.pk])


@require_POST
def open_draft(request: HttpRequest, incident_id: str) -> HttpResponse:
    """Open a case's postmortem, and lead to its editor."""
    incident = find_incident(request, incident_id)
    try:
        postmortem = open_postmortem(actor=person_of(request), incident_id=incident.pk)
    except PermissionRefused as error:
        raise PermissionDenied(error.message) from error
    except CasefileError as error:
        messages.error(request, error.message)
        page = reverse("admin:incidents_incident_change", args=[incident.pk])
        return HttpResponseRedirect(f"{page}?tab=postmortem")
    return HttpResponseRedirect(
        reverse("admin:incidents_postmortem_edit", args=[postmortem.pk])
    )


def edit_draft(request: HttpRequest, postmortem: Postmortem) -> HttpResponse:
    """Show the editor; without its script, its button saves and shows conflicts."""
    if not request.user.has_perm(WORK):
        raise PermissionDenied
    if not postmortem.is_editable:
        return HttpResponseRedirect(page_of(postmortem))
    draft = current_draft(postmortem)
    if request.method == "POST":
        return _receive(request, postmortem, draft)
    kept = take_unsent(request) if request.method == "GET" else None
    if kept is None:
        return _draw(request, postmortem, draft)
    messages.warning(request, NOT_SAVED)
    typed: dict[str, Any] = {
        "sections": _texts(kept),
        "revision": kept.get("revision", ""),
    }
    return _draw(request, postmortem, draft, **typed)


def _receive(
    request: HttpRequest, postmortem: Postmortem, draft: PostmortemDraft
) -> HttpResponse:
    """Save what was typed, and submit it if asked; show it again if refused."""
    try:
        _save(request, postmortem)
        if "submit" in request.POST:
            tell(request, submit(request, postmortem, {}))
            return HttpResponseRedirect(page_of(postmortem))
    except EditConflict as conflict:
        typed = _after_conflict(request, conflict)
        return _draw(request, postmortem, draft, status=CONFLICT, **typed)
    except PermissionRefused as error:
        raise PermissionDenied(error.message) from error
    except CasefileError as error:
        messages.error(request, error.message)
        return _draw(request, postmortem, draft, sections=_texts(request.POST))
    messages.success(request, "Saved.")
    return HttpResponseRedirect(request.path)


def _draw(
    request: HttpRequest,
    postmortem: Postmortem,
    draft: PostmortemDraft,
    *,
    status: int = 200,
    **typed: Any,
) -> HttpResponse:
    """Draw the editor with the draft's texts, or with those that were typed."""
    content = draft_content(postmortem, draft)
    sections = typed.pop("sections", draft.sections)
    return draw_page(
        request,
        "incidents/postmortem/edit.html",
        title=f"Edit the postmortem of {postmortem.incident.reference}",
        status=status,
        postmortem=postmortem,
        incident=postmortem.incident,
        draft=draft,
        content=content,
        facts=content["facts"],
        mark=mark_of_facts(postmortem.incident, content["facts"]),
        groups=section_groups(sections),
        **{"conflict": None, "revision": draft.revision, **typed},
    )


@require_POST
def save_by_script(request: HttpRequest, object_id: str) -> HttpResponse:
    """Save for the editor's script; say what another editor changed meanwhile."""
    postmortem = find_postmortem(request, object_id)
    try:
        draft = _save(request, postmortem)
    except EditConflict as error:
        said = {"code": error.code, "detail": error.message}
        return JsonResponse(said, status=CONFLICT)
    except PermissionRefused as error:
        raise PermissionDenied(error.message) from error
    except CasefileError as error:
        said = {"code": error.code, "detail": error.message}
        return JsonResponse(said, status=REFUSED)
    # Compared as the service cleans it: a space at an end is not another's change.
    joined = changed_sections(clean_sections(_texts(request.POST)), draft.sections)
    return JsonResponse(
        {
            "revision": draft.revision,
            "saved_at": draft.saved_at.isoformat(),
            "saved_by": name_of(draft.saved_by),
            "sections": {
                section.key: draft.sections[section.key] for section in joined
            },
        }
    )


def _save(request: HttpRequest, postmortem: Postmortem) -> Any:
    revision = read_key(request.POST.get("revision", ""))
    return save_draft(
        actor=person_of(request),
        postmortem_id=postmortem.pk,
        revision=min(revision, NUMBER_MAX),
        sections=_texts(request.POST),
    )


def _texts(data: Any) -> dict[str, str]:
    """Return the sections of the form, lines ended as the service ends them."""
    return {key: unify_lines(data.get(key, "")) for key in SECTION_KEYS}


def _after_conflict(request: HttpRequest, conflict: EditConflict) -> dict[str, Any]:
    """Return the form as it was typed, on the revision that is now on screen."""
    return {
        "conflict": conflict,
        "revision": conflict.revision,
        "sections": _texts(request.POST),
    }

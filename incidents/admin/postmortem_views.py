"""What the postmortem's pages show, gathered for their templates."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.http import Http404, HttpRequest
from django.utils import timezone

from evidence.accounts.access import name_of
from evidence.admin.base import read_key
from incidents.admin.picture_views import stored_view
from incidents.models import (
    Cycle,
    Postmortem,
    PostmortemDraft,
    PostmortemReview,
    PostmortemVersion,
    ReviewVerdict,
)
from incidents.services.changes import REVIEW, WORK
from incidents.services.gates.conditions import read_gate
from incidents.services.postmortems.case_facts import (
    action_items_of,
    gather_case_facts,
)
from incidents.services.postmortems.drafts import author_names, current_draft
from incidents.services.postmortems.marks import mark_of_facts
from incidents.services.postmortems.reviews import is_author
from incidents.workflow.phases import Phase
from incidents.workflow.postmortem import (
    SECTIONS,
    PostmortemState,
    Section,
    missing_sections,
)

NUMBER_LENGTH = 9


@dataclass(frozen=True)
class WrittenSection:
    """A section with its text."""

    section: Section
    text: str

    @property
    def line_count(self) -> int:
        """How many lines its field shows: few where the answer is short."""
        is_short = self.section.group == "Impact"
        return 2 if is_short or self.section.key == "control_failed" else 5


@dataclass(frozen=True)
class VersionView:
    """A version with what became of it."""

    version: PostmortemVersion
    review: PostmortemReview | None
    is_newest: bool
    is_void: bool

    @property
    def state(self) -> str:
        if self.review is None:
            return "submitted" if self.is_newest else "taken back"
        return "signature void" if self.is_void else self.review.verdict

    @property
    def signature(self) -> PostmortemReview | None:
        """The review that signed it, while it holds."""
        is_signed = self.state == ReviewVerdict.SIGNED
        return self.review if is_signed else None

    @property
    def words(self) -> str:
        if self.review is None:
            return "waiting for its review" if self.is_newest else "taken back"
        who = name_of(self.review.reviewer)
        if self.review.verdict == ReviewVerdict.RETURNED:
            return f"returned by {who}"
        return f"signed by {who}" + (", void: edited since" if self.is_void else "")


def find_postmortem(request: HttpRequest, object_id: str) -> Postmortem:
    """Return a postmortem; 404 for a hidden and a missing one."""
    found = (
        Postmortem.objects.visible_to(request.user)
        .select_related(
            "cycle__incident__playbook_version__playbook",
            "cycle__incident__lead",
            "cycle__incident__team",
            "opened_by",
        )
        .filter(pk=read_key(object_id))
        .first()
    )
    if found is None:
        raise Http404
    return found


def list_versions(postmortem: Postmortem) -> list[VersionView]:
    """Return the versions, newest first, each with its review; two queries."""
    versions = list(
        postmortem.versions.select_related("submitted_by").prefetch_related(
            "reviews__reviewer", "reviews__archive"
        )
    )
    views = []
    for place, version in enumerate(versions):
        reviews = list(version.reviews.all())
        review = reviews[0] if reviews else None
        is_signed = review is not None and review.verdict == ReviewVerdict.SIGNED
        is_current = not place and postmortem.state == PostmortemState.SIGNED
        views.append(
            VersionView(
                version=version,
                review=review,
                is_newest=not place and not postmortem.is_editable,
                is_void=is_signed and not is_current,
            )
        )
    return views


def choose_version(
    versions: list[VersionView], number: str | None
) -> VersionView | None:
    """Return the version that was asked for, the newest unless one was."""
    if not number:
        return versions[0] if versions else None
    for view in versions:
        if str(view.version.number) == number[:NUMBER_LENGTH]:
            return view
    raise Http404


def page_context(request: HttpRequest, postmortem: Postmortem) -> dict[str, Any]:
    """Return what the reading page shows: a version, or the draft as it stands."""
    incident = postmortem.incident
    versions = list_versions(postmortem)
    wanted = request.GET.get("version")
    shows_draft = wanted == "draft" or (not wanted and postmortem.is_editable)
    shown = None if shows_draft else choose_version(versions, wanted)
    draft = current_draft(postmortem)
    content = shown.version.content if shown else draft_content(postmortem, draft)
    phase = postmortem.cycle.phases.prefetch_related("waivers__waived_by").get(
        phase=Phase.POSTMORTEM
    )
    is_live = (
        incident.is_open
        and postmortem.cycle.ended_at is None
        and phase.completed_at is None
    )
    user: Any = request.user
    wrote = is_author(postmortem, user)
    can_work = is_live and user.has_perm(WORK)
    return {
        "postmortem": postmortem,
        "incident": incident,
        "versions": versions,
        "shown": shown,
        "draft": draft,
        "content": content,
        "groups": section_groups(content["sections"]),
        "facts": content["facts"],
        "mark": mark_of_facts(incident, content["facts"]),
        "view": stored_view(content["facts"].get("picture")),
        "missing": missing_sections(draft.sections),
        "authors": author_names(postmortem),
        "gate": read_gate(incident, phase),
        "phase": phase,
        "wrote": wrote,
        "can_edit": can_work and postmortem.is_editable,
        "can_take_up": can_work and not postmortem.is_editable,
        "can_review": is_live
        and shown is not None
        and shown.is_newest
        and shown.review is None
        and user.has_perm(REVIEW),
        "can_add_items": user.has_perm(WORK),
        "action_items": action_items_of(postmortem.cycle).select_related(
            "owner", "cycle"
        ),
    }


def draft_content(postmortem: Postmortem, draft: PostmortemDraft) -> dict[str, Any]:
    """Return the draft in the form of a version, with the facts as they are now."""
    facts = gather_case_facts(postmortem.incident, postmortem.cycle, now=timezone.now())
    return {
        "reference": postmortem.incident.reference,
        "cycle": postmortem.cycle.number,
        "version": None,
        "authors": author_names(postmortem),
        "sections": draft.sections,
        "facts": facts,
    }


def section_groups(sections: dict[str, str]) -> list[tuple[str, list[WrittenSection]]]:
    """Return the sections under their headings."""
    written = [
        WrittenSection(section, sections.get(section.key, "")) for section in SECTIONS
    ]
    return [
        (name, list(group))
        for name, group in groupby(written, key=lambda entry: entry.section.group)
    ]


def postmortem_summary(cycle: Cycle) -> dict[str, Any]:
    """Return what the incident page shows of the cycle's postmortem."""
    action_items = action_items_of(cycle).select_related("owner", "cycle")
    found = Postmortem.objects.filter(cycle=cycle).first()
    if found is None:
        return {"postmortem": None, "action_items": action_items}
    return {
        "postmortem": found,
        "postmortem_versions": list_versions(found),
        "postmortem_draft": current_draft(found),
        "action_items": action_items,
    }

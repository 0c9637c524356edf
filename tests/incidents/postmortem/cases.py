"""Cases that have come as far as their postmortem, and texts to write into it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from django.contrib.auth.models import User

from evidence.accounts.access import Role
from evidence.models import UNFINISHED_STATES
from incidents.models import (
    Incident,
    Postmortem,
    PostmortemReview,
    PostmortemVersion,
)
from incidents.services.archives.requests import run_archive
from incidents.services.findings.gathering import gather_findings
from incidents.services.gates.conditions import state_condition
from incidents.services.postmortems.archive import archive_postmortem
from incidents.services.postmortems.drafts import open_postmortem, save_draft
from incidents.services.postmortems.reviews import sign_postmortem, submit_postmortem
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.postmortem import SECTIONS
from tests.factories import NOON, make_evidence, make_incident, make_user

SOON = NOON + dt.timedelta(minutes=4, seconds=32)
LATER = NOON + dt.timedelta(hours=1)
TEXTS = {section.key: f"Text of {section.title}." for section in SECTIONS}


def make_case(**fields: object) -> Incident:
    """Open an INC-2 case with a verified bundle and a root cause."""
    incident = make_incident(**fields)
    make_evidence(incident)
    state_condition(
        actor=make_user(),
        incident_id=incident.pk,
        condition=ConditionKey.ROOT_CAUSE_WRITTEN,
        statement="The broker was off.",
        now=SOON,
    )
    return incident


def make_postmortem(incident: Incident | None = None) -> Postmortem:
    """Open the postmortem of a case, with what its evidence says."""
    case = incident or make_case()
    postmortem = open_postmortem(actor=make_user(), incident_id=case.pk, now=SOON)
    gather_findings(incident_id=case.pk)
    return postmortem


def write(
    postmortem: Postmortem, *, actor: User | None = None, **texts: str
) -> Postmortem:
    """Save a draft over the newest one, with every section written."""
    postmortem.refresh_from_db()
    save_draft(
        actor=actor or make_user(),
        postmortem_id=postmortem.pk,
        revision=postmortem.draft_revision,
        sections={**TEXTS, **texts},
        now=LATER,
    )
    return postmortem


def submit(postmortem: Postmortem, *, actor: User | None = None) -> PostmortemVersion:
    return submit_postmortem(
        actor=actor or make_user(), postmortem_id=postmortem.pk, now=LATER
    )


def sign(version: PostmortemVersion, *, actor: User | None = None) -> PostmortemReview:
    return sign_postmortem(
        actor=actor or make_user(Role.REVIEWER),
        version_id=version.pk,
        content_sha256=version.content_sha256,
        now=LATER,
    )


def make_version(incident: Incident | None = None) -> PostmortemVersion:
    """Return a version that waits for its review."""
    return submit(write(make_postmortem(incident)))


def make_signed(incident: Incident | None = None) -> PostmortemVersion:
    """Return a version that is signed, and its case archived."""
    version = make_version(incident)
    archive_postmortem(review_id=sign(version).pk, now=LATER)
    archive_case(version.postmortem.incident)
    return version


def archive_case(incident: Incident) -> None:
    """Do what a worker does: make the archives that were asked for."""
    for archive in incident.archives.filter(state__in=UNFINISHED_STATES):
        run_archive(archive_id=archive.pk)


Stage = Incident | Postmortem | PostmortemVersion
STAGES: Mapping[str, Callable[[], Stage]] = {
    "case": make_case,
    "opened": make_postmortem,
    "written": lambda: write(make_postmortem()),
    "version": make_version,
    "signed": make_signed,
}
"""How far a postmortem has come, and what makes a case of its own come so far."""


def make_stages(*names: str) -> Callable[[], Mapping[str, Stage]]:
    """Return what makes a world for `tests.shared.share`: these stages, by name."""
    return lambda: {name: STAGES[name]() for name in names}

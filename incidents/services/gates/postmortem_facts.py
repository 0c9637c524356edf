"""What the gate of POSTMORTEM looks at."""

from __future__ import annotations

from evidence.access import name_of
from incidents.models import (
    Cycle,
    Incident,
    Postmortem,
    PostmortemReview,
    PostmortemVersion,
    ReviewVerdict,
)
from incidents.workflow.gate_facts import PostmortemFact
from incidents.workflow.postmortem import PostmortemState


def gather_postmortem(incident: Incident, cycle: Cycle) -> PostmortemFact:
    """Return the postmortem of a cycle as it stands.

    A signature that was voided is still named, so that the gate can say what happened.
    """
    postmortem = Postmortem.objects.filter(cycle=cycle).first()
    if postmortem is None:
        return PostmortemFact()
    version = (
        postmortem.versions.select_related("submitted_by").order_by("-number").first()
    )
    if version is None:
        return PostmortemFact()
    signature = _newest_signature(postmortem)
    is_signed = postmortem.state == PostmortemState.SIGNED
    is_current = signature is not None and is_signed and signature.version == version
    return PostmortemFact(
        is_written=is_signed or postmortem.state == PostmortemState.SUBMITTED,
        author=_author(version),
        signed_by=name_of(signature.reviewer) if signature else "",
        signature_is_current=is_current,
        artifacts_archived=is_current and hasattr(signature, "archive"),
    )


def _newest_signature(postmortem: Postmortem) -> PostmortemReview | None:
    return (
        PostmortemReview.objects.filter(
            version__postmortem=postmortem, verdict=ReviewVerdict.SIGNED
        )
        .select_related("version", "reviewer", "archive")
        .order_by("-id")
        .first()
    )


def _author(version: PostmortemVersion) -> str:
    return name_of(version.submitted_by)

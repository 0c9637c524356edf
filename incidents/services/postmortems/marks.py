"""How a postmortem is handled: as its case, or as the evidence that it tells of."""

from __future__ import annotations

from typing import Any

from evidence.handling import Tlp, strictest
from evidence.models import EvidenceItem
from incidents.models import Incident, PostmortemVersion
from incidents.workflow.postmortem import canonical_text


def mark_of_version(version: PostmortemVersion) -> Tlp:
    """Return the mark of a version, read anew: it may have changed meanwhile."""
    case = Incident.objects.get(pk=version.postmortem.cycle.incident_id)
    return mark_of_facts(case, version.content["facts"])


def marked_json(version: PostmortemVersion, tlp: Tlp) -> bytes:
    """Return a version's document, in canonical form, with its mark as member `tlp`.

    Without that member it is the text whose SHA-256 is signed.
    """
    return canonical_text({**version.content, "tlp": tlp.label}).encode()


def mark_of_facts(case: Incident, facts: dict[str, Any]) -> Tlp:
    """Return the strictest mark of a case and of the evidence that the facts list."""
    listed = [row["sha256"] for row in facts["evidence"]]
    items = EvidenceItem.objects.filter(incident=case, sha256_hex__in=listed)
    own = items.order_by().values_list("own_tlp", flat=True).distinct()
    return strictest(case.tlp, *own)

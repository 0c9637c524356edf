"""What a document that is no bundle or ledger is, by its top-level members."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from evidence.format import DocumentKind
from evidence.format.structure import Form, Structure, kind_by_structure
from evidence.models import EvidenceKind


@dataclass(frozen=True)
class Content:
    """What the bytes are, in words, and the kind that follows, if one does."""

    words: str
    kind: EvidenceKind | None = None
    top: Structure = field(default_factory=Structure)
    """What it was told by: the members at its top."""


@dataclass(frozen=True)
class _Known:
    """A format: members that it must have, and texts that members begin with."""

    words: str
    members: frozenset[str]
    texts: tuple[tuple[str, str], ...] = ()
    kind: EvidenceKind | None = None

    def matches(self, found: Structure) -> bool:
        return self.members <= found.members.keys() and all(
            found.has_text(name, start) for name, start in self.texts
        )


_LOG, _SCAN = EvidenceKind.LOG, EvidenceKind.SCAN_RESULT
_FORMATS = (
    _Known("SARIF", frozenset({"version", "runs"}), kind=_SCAN),
    _Known("CycloneDX", frozenset(), (("bomFormat", "CycloneDX"),)),
    _Known("SPDX", frozenset({"spdxVersion"})),
    _Known("STIX bundle", frozenset({"objects"}), (("type", "bundle"),)),
    _Known("Kubernetes audit", frozenset(), (("apiVersion", "audit.k8s.io/"),), _LOG),
    _Known("Journal entry", frozenset({"__REALTIME_TIMESTAMP"}), kind=_LOG),
    _Known("JSON schema", frozenset({"$schema", "properties"})),
)
_SNAPSHOT = frozenset({"extensionPolicy", "extensionRisk"})
_DOCUMENTS = {
    DocumentKind.BUNDLE: "Incident evidence bundle",
    DocumentKind.LEDGER: "Runtime risk ledger",
}


def content_of(found: Structure) -> Content:
    """Return what stands at the top of a document, in words, with its kind if any."""
    return replace(_name_content(found), top=found)


def _name_content(found: Structure) -> Content:
    if (document := kind_by_structure(found)) is not None:
        return Content(_DOCUMENTS[document])
    if found.form is Form.OTHER:
        return Content("Text or binary")
    if found.form is Form.ARRAY:
        return Content("JSON array")
    known = next(
        (
            content_format
            for content_format in _FORMATS
            if content_format.matches(found)
        ),
        None,
    )
    if found.form is Form.SEQUENCE:
        name = f": {known.words}" if known else ""
        return Content(f"JSON lines{name}", EvidenceKind.LOG)
    if not found.is_whole:
        return Content("Looks like JSON, and is cut off or damaged")
    if known is not None:
        return Content(known.words, known.kind)
    if found.members.keys() & _SNAPSHOT:
        return Content("Policy settings", EvidenceKind.POLICY_SNAPSHOT)
    if "capability_decisions" in found.members:
        return Content("Policy explanation", EvidenceKind.POLICY_EXPLANATION)
    return Content("JSON object")

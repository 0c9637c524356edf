"""Making an export's bundle, and judging it before anybody gets it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from evidence.format import (
    IncidentBundleFilter,
    IncidentBundleRedactionPolicy,
    build_bundle,
    serialize_document,
    verify_document,
)
from evidence.format.hiding import Secrets
from evidence.format.redactor import Redactor
from evidence.models import ExportRequest
from evidence.queue.children import Tell, run_apart
from evidence.queue.claiming import progress_recorder
from evidence.services.carried_faults import failed_steps, find_carried_faults
from evidence.services.export_sources import NamedBytes, join_sources, load_sources

SHOWN_LEAKS = 20
# Of the time that an export takes: until its bundle is built, and searched for leaks.
BUILT_SHARE, SEARCHED_SHARE = 0.35, 0.55
NOT_KEPT = "the new bundle does not pass its verification, so it was not kept."
NO_FIT = "together, the chosen items show a fault that none of them has by itself:"
GO_DEEP = "Deep redaction takes that out as well."


@dataclass(frozen=True)
class MadeExport:
    """A new bundle's bytes and its report; `failure` says why it is not handed out.

    `source_name` and `filter` are what its file's name is made of.
    """

    data: bytes
    report: dict[str, Any]
    failure: str = ""
    source_name: str = ""
    filter: dict[str, Any] = field(default_factory=dict)


def make_export(request: ExportRequest) -> MadeExport:
    """Build the bundle that a request asks for, and verify it against its source.

    The report says what was replaced besides the flagged members (`replaced`), what of
    the source's faults is carried over (`carried_over`), and which of the five steps
    the source itself fails (`source_fails`).
    """
    each = load_sources(request.all_sources())
    return run_apart(
        partial(_make, request, each),
        reads=[data for _, data in each],
        hear=progress_recorder(request, first=5, last=80),
    )


def _make(request: ExportRequest, each: NamedBytes, tell: Tell) -> MadeExport:
    """Make the export from its sources' bytes; without the database or the store."""
    sources = join_sources(each)
    document, source = sources.document, sources.data
    scope = _scope_of(request, document)
    policy = IncidentBundleRedactionPolicy.from_dict(request.redaction)
    options: dict[str, Any] = {
        "filter": scope,
        "generated_at_ms": request.generated_at_ms,
    }
    made = build_bundle(
        document,
        redaction=policy,
        progress=lambda fraction: tell(BUILT_SHARE * fraction),
        **options,
    )
    secrets = Secrets.of_bundle(document, policy.flags)
    redactor = Redactor(policy, secrets, deep=request.deep)
    if request.deep:
        made = redactor.rest_of_bundle(made, file="")
    elif policy.flags:
        redactor.search(made)
    name = redactor.text(request.source.original_name, path="the file's name")
    data = serialize_document(made)
    report = verify_document(
        data,
        source=source,
        progress=lambda fraction: tell(
            SEARCHED_SHARE + (1 - SEARCHED_SHARE) * fraction
        ),
    ).as_dict()["report"]
    before = sources.report()
    report["source_fails"] = [
        {**row, "source": redactor.beside(row["source"])} for row in before["fails"]
    ]
    report["in_several"] = [
        {**row, "calls": [redactor.beside(call) for call in row["calls"]]}
        for row in sources.in_several
    ]
    report["replaced"] = redactor.listing()
    report["leaks"] = _joined(report["leaks"], redactor.leaks)
    report["carried_over"] = []
    if report["leaks"]:
        return MadeExport(data, report, _explain(report, deep=request.deep))
    if not report["valid"]:
        plain = build_bundle(
            document, redaction=IncidentBundleRedactionPolicy.none(), **options
        )
        carried = find_carried_faults(report, before, document=made, plain=plain)
        if carried is None:
            why = _explain(report, deep=request.deep)
            if request.more_sources:
                why = f"{NO_FIT} {why}"
            return MadeExport(data, report, why)
        report["carried_over"] = carried
    return MadeExport(data, report, source_name=name, filter=made["filter"])


def _scope_of(request: ExportRequest, document: dict[str, Any]) -> IncidentBundleFilter:
    """Return the filter that was asked for, and the extension that its source names.

    What was filtered by an extension before has holes that only this filter explains.
    """
    named = document["filter"].get("extension_id")
    wanted = dict(request.filter)
    if wanted.get("extension_id") is None and isinstance(named, str):
        wanted["extension_id"] = named
    return IncidentBundleFilter.from_dict(wanted)


def _joined(
    leaks: list[dict[str, str]], found: list[tuple[str, str]]
) -> list[dict[str, str]]:
    """Return the format's own leaks, and those that are coded in some way, once each.

    A place stands with the first kind that was found there.
    """
    places = {leak["path"]: leak["kind"] for leak in leaks}
    for path, kind in found:
        places.setdefault(path, kind)
    return [{"path": path, "kind": kind} for path, kind in places.items()]


def _explain(report: dict[str, Any], *, deep: bool) -> str:
    """Return which of the five steps the new bundle failed, and what leaks where."""
    why = "; ".join(f"{row['step']}: {row['message']}" for row in failed_steps(report))
    said = [NOT_KEPT, why] if why else [NOT_KEPT]
    leaks = [f"{leak['path']} ({leak['kind']})" for leak in report["leaks"]]
    if leaks:
        more = len(leaks) - SHOWN_LEAKS
        rest = f" and {more} more" if more > 0 else ""
        said.append(f"What leaks, and where: {', '.join(leaks[:SHOWN_LEAKS])}{rest}.")
        said += [] if deep else [GO_DEEP]
    return " ".join(said)

"""From bytes to the inputs of findings, each with its digest.

A bundle that lacks a section is no bundle, and can still say something: what is there
is read, and what is missing makes answers unknown. Bytes that are no JSON object at all
are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evidence.format import (
    DocumentKind,
    DocumentRefused,
    IncidentEvidenceBundleReport,
    hash_value,
    kind_of,
    read_document,
    verify_document,
    verify_runtime_risk_ledger_artifact,
)
from evidence.format.filters import filter_names_extension
from incidents.findings.case import (
    CaseEvidence,
    ExplanationInput,
    HistoryInput,
    PolicyInput,
    SourceInput,
)
from incidents.findings.records import LEDGER, Document
from policy.rules.explanation import (
    ExplanationDocument,
    parse_explanation,
    policy_of_explanation,
)
from policy.rules.precedence import ProfileSource
from policy.rules.runtime_history import parse_runtime_history
from policy.rules.secrets import hash_name
from policy.rules.settings_document import SettingsSnapshot, parse_settings
from policy.rules.stops import find_stops
from policy.rules.trust_replay import replay_runtime_history

if TYPE_CHECKING:  # importing it for real would load the parsers with every page
    from policy.scanner.report import SourceReport

_WORD = re.compile(r"[A-Za-z0-9_]{2,100}")
# A bundle's alerts are some thousand words; more than this names nothing.
_WORDS_MAX = 200_000
ORDINARY_NAMES = [
    "PATH",
    "HOME",
    "USER",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TERM",
    "PWD",
    "OLDPWD",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "TMPDIR",
    "TMP",
    "TEMP",
    "TZ",
    "LOGNAME",
    "HOSTNAME",
    "DISPLAY",
    "NODE_ENV",
    "NODE_OPTIONS",
    "NODE_PATH",
    "DEBUG",
    "CI",
    "COLUMNS",
    "LINES",
    "COLORTERM",
    "NO_COLOR",
    "FORCE_COLOR",
    "SHLVL",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "APPDATA",
    "USERPROFILE",
    "PYTHONPATH",
    "GOPATH",
    "CARGO_HOME",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PORT",
    "HOST",
    "BROWSER",
    "MANPATH",
    "LC_CTYPE",
    "PI_EXTENSION_POLICY",
]


def read_evidence(item: str, data: bytes, sha256: str) -> Document:
    """Read a bundle or a ledger, and verify it; raise DocumentRefused for no JSON."""
    members = read_document(data)
    try:
        report = verify_document(data).report
    except DocumentRefused:
        return _read_leniently(item, members, sha256)
    if not isinstance(report, IncidentEvidenceBundleReport):
        return Document(item, sha256, members, report.as_dict())
    return document_of_bundle(item, sha256, members, report.as_dict())


def document_of_bundle(
    item: str, sha256: str, members: Mapping[str, Any], report: Mapping[str, Any]
) -> Document:
    """Return a verified bundle with its report, as `as_dict` gives it or as stored."""
    failed = {name for name, status in report["steps"].items() if status == "fail"}
    return Document(
        item,
        sha256,
        members,
        report["ledger"],
        frozenset(failed),
        frozenset(_short_sections(report["details"])),
    )


def _short_sections(details: Mapping[str, Any]) -> Iterator[str]:
    """Yield the sections whose number of records is not the one that is stated."""
    figures = details.get("summary_counts", {}).get("figures") or ()
    for figure in figures:
        if figure["name"].startswith("counts.") and not figure["ok"]:
            yield figure["name"].removeprefix("counts.")


def _read_leniently(item: str, members: dict[str, Any], sha256: str) -> Document:
    """Read a document of which something is missing or of another type."""
    is_bundle = kind_of(members) is DocumentKind.BUNDLE
    ledger = members.get(LEDGER) if is_bundle else members
    report = None
    if isinstance(ledger, dict) and isinstance(ledger.get("entries"), list):
        filtered = is_bundle and filter_names_extension(members.get("filter"))
        report = verify_runtime_risk_ledger_artifact(
            ledger, filtered_by_extension=filtered
        ).as_dict()
    unsealed = {name: value for name, value in members.items() if name != "bundle_hash"}
    is_sealed = members.get("bundle_hash") == hash_value(unsealed)
    failed = {"bundle_hash"} if is_bundle and not is_sealed else set()
    return Document(item, sha256, members, report, frozenset(failed))


def read_policy(
    item: str,
    data: bytes,
    sha256: str,
    *,
    explanation: ExplanationDocument | None = None,
) -> PolicyInput:
    """Read a settings file; raise DocumentError where it is none.

    The profile of the command line or the environment wins over that of the file: the
    explanation says where one came from.
    """
    settings = parse_settings(data)
    requested = explanation.requested_profile if explanation else None
    source = explanation.profile_source if explanation else None
    snapshot = SettingsSnapshot(
        settings,
        cli=requested if source is ProfileSource.CLI else None,
        env=requested if source is ProfileSource.ENV else None,
    )
    return PolicyInput(item, sha256, snapshot.effective)


def read_explanation(item: str, data: bytes, sha256: str) -> ExplanationInput:
    """Read what the runtime explains; raise DocumentError where it is none."""
    return ExplanationInput(item, sha256, parse_explanation(data))


def policy_of(explanation: ExplanationInput) -> tuple[PolicyInput, ...]:
    """Return the policy that the runtime explains, without overrides; else none."""
    effective = policy_of_explanation(explanation.document)
    if effective is None:
        return ()
    return (
        PolicyInput(
            explanation.item, explanation.sha256, effective, knows_overrides=False
        ),
    )


def read_history(
    item: str,
    data: bytes,
    sha256: str,
    *,
    lift_allowed_from: Mapping[str, datetime | None] | None = None,
) -> HistoryInput:
    """Read the runtime's record of trust; raise DocumentError where it is too large.

    `lift_allowed_from` is that of `ExtensionTrustTracker`: only a case knows it.
    """
    history = parse_runtime_history(data)
    records = sorted(history.records, key=lambda record: record.at)
    moves = replay_runtime_history(records, lift_allowed_from=lift_allowed_from)
    return HistoryInput(
        item,
        sha256,
        tuple(find_stops(records)),
        tuple(moves),
        len(records),
        tuple(
            f"line {fault.line} of {item} cannot be read" for fault in history.faults
        ),
    )


def read_source(item: str, data: bytes, sha256: str) -> SourceInput:
    """Scan an extension's source; what cannot be unpacked is refused in its report."""
    # Here and not above: the parsers are large, and few commands need them.
    from policy.scanner import scan_source

    return source_of(item, data, sha256, scan_source(data, item))


def source_of(item: str, data: bytes, sha256: str, report: SourceReport) -> SourceInput:
    """Return a source that was scanned already, with the capabilities it shows."""
    from policy.scanner import SourceRefusedError, unpack_source
    from policy.scanner.capabilities import ShownCapabilities, find_shown_capabilities

    try:
        shown = find_shown_capabilities(unpack_source(data, item))
    except SourceRefusedError:
        shown = ShownCapabilities()
    return SourceInput(item, sha256, report, shown)


def with_names(evidence: CaseEvidence, more: Iterable[str] = ()) -> CaseEvidence:
    """Return the evidence with the names that stand in it, by their hash.

    A word of an alert, of the source or of the allowlist may be the name of a variable
    that is otherwise known by its hash only. `more` are further words.
    """
    words: set[str] = {*ORDINARY_NAMES, *more}
    for document in evidence.documents:
        for section in ("security_alerts", "secret_broker"):
            for record in document.section(section) or ():
                words.update(_words_of(record.members))
    if evidence.source is not None:
        words.update(evidence.source.shown.words)
    hashes = {hash_name(word): word for word in sorted(words)[:_WORDS_MAX]}
    return replace(evidence, names_by_hash={**hashes, **evidence.names_by_hash})


def _words_of(value: Any) -> Iterator[str]:
    """Yield the words of every text in a document, however deep."""
    if isinstance(value, str):
        yield from _WORD.findall(value)
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _words_of(member)
    elif isinstance(value, list):
        for member in value:
            yield from _words_of(member)

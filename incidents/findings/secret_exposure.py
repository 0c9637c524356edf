"""INC-2: which secret got out, to which extension, by which path?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from incidents.findings.finding import Finding, FindingSeverity, counted, listed, refs
from incidents.findings.records import (
    ALL_EXTENSIONS,
    Extensions,
    Record,
    alert_finding,
    records,
)
from policy.rules.secrets import (
    DEFAULT_BROKER,
    SecretBrokerPolicy,
    is_allowlisted,
    is_listed_name,
    name_for_hash,
)

NO_NAMES: Mapping[str, str] = MappingProxyType({})
_REDACTED = "[REDACTED]"
_HASH_SHOWN = 12


class Exposure(StrEnum):
    """What passing a variable through meant."""

    LISTED = "listed"
    ON_PURPOSE = "on_purpose"
    UNEXPLAINED = "unexplained"
    HARMLESS = "harmless"


def find_secret_exposure(
    bundle: Mapping[str, Any],
    *,
    names_by_hash: Mapping[str, str] = NO_NAMES,
    broker: SecretBrokerPolicy | None = None,
    extension_ids: Extensions = ALL_EXTENSIONS,
) -> list[Finding]:
    """Answer INC-2 from a bundle and the broker's configuration, where it is known.

    ``names_by_hash`` are names beside those that the policy's own dictionary knows.
    """
    reference = broker or DEFAULT_BROKER
    passed = [
        record
        for record in records(bundle, "secret_broker", extension_ids)
        if record.members.get("redacted") is False
    ]
    names = {r.path: _name_of(r, names_by_hash, reference) for r in passed}
    groups: dict[Exposure, list[Record]] = {kind: [] for kind in Exposure}
    for record in passed:
        groups[_exposure(record, names[record.path], reference)].append(record)
    found = [
        alert_finding(
            bundle,
            "secret_exposure",
            extension_ids=extension_ids,
            playbook_item="identify-exposure",
        ),
        *_exposures(groups, names),
        *_paths(groups),
    ]
    if broker is not None:
        found += _broker_answers(broker, groups, names)
    return found


def _name_of(
    record: Record, names_by_hash: Mapping[str, str], broker: SecretBrokerPolicy
) -> str | None:
    name_hash = record.text("name_hash").lower()
    return names_by_hash.get(name_hash) or name_for_hash(name_hash, broker)


def _exposure(record: Record, name: str | None, broker: SecretBrokerPolicy) -> Exposure:
    if record.text("reason") == "allowlisted":
        return Exposure.ON_PURPOSE
    if name is not None and is_allowlisted(name, broker):
        return Exposure.ON_PURPOSE
    if name is not None and is_listed_name(name, broker):
        return Exposure.LISTED
    if record.text("reason") == "not_secret":
        return Exposure.HARMLESS
    return Exposure.UNEXPLAINED


_TITLES: Mapping[Exposure, tuple[str, str, FindingSeverity]] = {
    Exposure.LISTED: (
        "secret-exposed",
        "secret passed through unredacted",
        FindingSeverity.CRITICAL,
    ),
    Exposure.ON_PURPOSE: (
        "allowlisted-disclosure",
        "disclosure made on purpose (disclosure_allowlist)",
        FindingSeverity.ERROR,
    ),
    Exposure.UNEXPLAINED: (
        "unexplained-disclosure",
        "variable passed through for no known reason",
        FindingSeverity.ERROR,
    ),
    Exposure.HARMLESS: (
        "not-a-secret",
        "variable that the broker took for no secret",
        FindingSeverity.INFO,
    ),
}
_PLURALS: Mapping[Exposure, str] = {
    Exposure.LISTED: "secrets passed through unredacted",
    Exposure.ON_PURPOSE: "disclosures made on purpose (disclosure_allowlist)",
    Exposure.UNEXPLAINED: "variables passed through for no known reason",
    Exposure.HARMLESS: "variables that the broker took for no secret",
}


def _exposures(
    groups: Mapping[Exposure, list[Record]], names: Mapping[str, str | None]
) -> Iterator[Finding]:
    for kind, group in groups.items():
        if not group:
            continue
        key, title, severity = _TITLES[kind]
        yield Finding(
            key=key,
            title=counted(len(group), title, _PLURALS[kind]),
            severity=severity,
            detail=listed(_exposure_text(r, names[r.path]) for r in group),
            playbook_item="identify-exposure",
            evidence_refs=refs(record.path for record in group),
            count=len(group),
        )


def _exposure_text(record: Record, name: str | None) -> str:
    name_hash = record.text("name_hash")
    if name_hash == _REDACTED:
        variable = "a variable whose name is redacted in this bundle"
    else:
        variable = name or f"name hash {name_hash[:_HASH_SHOWN]}…"
    extension = record.text("extension_id") or "unknown extension"
    path = record.text("exposure_path") or "an unknown path"
    return f"{variable} to {extension} by {path}"


def _paths(groups: Mapping[Exposure, list[Record]]) -> Iterator[Finding]:
    exposed = [r for k, g in groups.items() if k is not Exposure.HARMLESS for r in g]
    if not exposed:
        yield Finding(
            key="no-exposure",
            title="No known secret passed the broker",
            severity=FindingSeverity.INFO,
            detail="Every record that passed was taken for no secret, or none passed.",
            playbook_item="examine-exposure-path",
        )
        return
    counts = Counter(record.text("exposure_path") or "unknown" for record in exposed)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    yield Finding(
        key="exposure-paths",
        title="Paths by which values got out",
        severity=FindingSeverity.WARNING,
        detail=", ".join(f"{path}: {number}" for path, number in ordered),
        playbook_item="examine-exposure-path",
        evidence_refs=refs(record.path for record in exposed),
        count=len(exposed),
    )


def _broker_answers(
    broker: SecretBrokerPolicy,
    groups: Mapping[Exposure, list[Record]],
    names: Mapping[str, str | None],
) -> Iterator[Finding]:
    yield Finding(
        key="broker-enabled" if broker.enabled else "broker-disabled",
        title=f"The secret broker was {'enabled' if broker.enabled else 'disabled'}",
        severity=FindingSeverity.INFO if broker.enabled else FindingSeverity.CRITICAL,
        detail="SecretBrokerPolicy.enabled in the snapshot is "
        f"{'true' if broker.enabled else 'false'}.",
        playbook_item="verify-broker-enabled",
    )
    known = [
        (record, name)
        for kind, group in groups.items()
        if kind is not Exposure.HARMLESS
        for record in group
        if (name := names[record.path]) is not None
    ]
    if not known:
        return
    distinct = dict.fromkeys(name for _, name in known)
    covered = [name for name in distinct if is_listed_name(name, broker)]
    yield Finding(
        key="blocklist-coverage",
        title=f"{len(covered)} of {len(distinct)} exposed names match the blocklist",
        severity=FindingSeverity.WARNING,
        detail=listed(_coverage_text(name, broker) for name in distinct),
        playbook_item="check-broker-configuration",
        evidence_refs=refs(record.path for record, _ in known),
        count=len(distinct),
    )


def _coverage_text(name: str, broker: SecretBrokerPolicy) -> str:
    matches = "matches" if is_listed_name(name, broker) else "does not match"
    allowed = ", in disclosure_allowlist" if is_allowlisted(name, broker) else ""
    return f"{name} {matches} the blocklist{allowed}"

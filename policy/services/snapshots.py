"""Policy snapshots: settings and explanation taken in, redacted, parsed, compared."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.models import Channel, EvidenceItem, EvidenceKind
from evidence.services import receive_evidence
from evidence.stored_moments import Span
from evidence.text import storable
from policy.models import Extension, PolicySnapshot
from policy.rules.explanation import (
    ExplanationDocument,
    compare_with_explanation,
    parse_explanation,
)
from policy.rules.precedence import evaluate_all
from policy.rules.settings_document import (
    SettingsDocument,
    SettingsSnapshot,
    interpret_settings,
    parse_settings,
)
from policy.services.changes import clean_text, record_change
from policy.services.concerned_cases import (
    lock_incident,
)
from policy.services.extensions import note_extension

ADD = "policy.add_policysnapshot"
PROFILE_LENGTH = 60
SHOWN_TIME = Span(
    "a moment that has passed for what the snapshot shows",
    ahead=dt.timedelta(minutes=1),
)
MAX_NOTED_EXTENSIONS = 500


@dataclass(frozen=True)
class SnapshotSource:
    """What a snapshot is taken from. The profiles are those given beside the file.

    `explanation` None: `pi --explain-extension-policy` was not run.
    """

    settings: bytes
    explanation: bytes | None = None
    settings_name: str = "settings.json"
    explanation_name: str = "explanation.json"
    cli_profile: str = ""
    env_profile: str = ""

    @cached_property
    def settings_document(self) -> SettingsDocument:
        """The settings, read once. Raise DocumentError where they cannot be."""
        return parse_settings(self.settings)

    @cached_property
    def explanation_document(self) -> ExplanationDocument | None:
        """The explanation, read once. Raise DocumentError where it cannot be."""
        if self.explanation is None:
            return None
        return parse_explanation(self.explanation)


def take_snapshot(
    *,
    incident_id: int,
    source: SnapshotSource,
    channel: Channel,
    actor: Actor,
    captured_at: dt.datetime | None = None,
    ip_address: str | None = None,
    now: dt.datetime | None = None,
) -> PolicySnapshot:
    """Take settings, and the runtime's explanation where given, into a case.

    What is stored as evidence is the redacted document: the secrets of a settings file
    are never kept, and the paths they stood at are. Raise DocumentError where a
    document cannot be read; then nothing is stored.
    """
    require_permission(actor, ADD)
    moment = now or timezone.now()
    shown_at = SHOWN_TIME.require(captured_at or moment, now=moment)
    settings, explanation = source.settings_document, source.explanation_document
    # Bytes first: a row always has its evidence.
    settings_item = _store(
        incident_id,
        settings.redacted_document,
        source.settings_name,
        EvidenceKind.POLICY_SNAPSHOT,
        actor=actor,
        channel=channel,
        ip_address=ip_address,
        now=moment,
    )
    explanation_item = (
        _store(
            incident_id,
            explanation.redacted_document,
            source.explanation_name,
            EvidenceKind.POLICY_EXPLANATION,
            actor=actor,
            channel=channel,
            ip_address=ip_address,
            now=moment,
        )
        if explanation
        else None
    )
    return _add_snapshot(
        incident_id,
        source,
        settings,
        explanation,
        settings_item=settings_item,
        explanation_item=explanation_item,
        captured_at=shown_at,
        actor=actor,
        now=moment,
    )


def keep_explanation(
    *,
    incident_id: int,
    data: bytes,
    name: str,
    channel: Channel,
    actor: Actor,
    ip_address: str | None = None,
    now: dt.datetime | None = None,
) -> EvidenceItem:
    """Keep an explanation without its settings, redacted as a snapshot's is.

    Raise DocumentError where it cannot be read; then nothing is stored.
    """
    require_permission(actor, ADD)
    return _store(
        incident_id,
        parse_explanation(data).redacted_document,
        name,
        EvidenceKind.POLICY_EXPLANATION,
        actor=actor,
        channel=channel,
        ip_address=ip_address,
        now=now or timezone.now(),
    )


@transaction.atomic
def _add_snapshot(
    incident_id: int,
    source: SnapshotSource,
    settings: SettingsDocument,
    explanation: ExplanationDocument | None,
    *,
    settings_item: EvidenceItem,
    explanation_item: EvidenceItem | None,
    captured_at: dt.datetime,
    actor: Actor,
    now: dt.datetime,
) -> PolicySnapshot:
    lock_incident(incident_id, actor)
    cli, env = _profile(source.cli_profile), _profile(source.env_profile)
    read = SettingsSnapshot(settings, cli=cli or None, env=env or None)
    snapshot = PolicySnapshot.objects.create(
        incident_id=incident_id,
        settings_item=settings_item,
        explanation_item=explanation_item,
        captured_at=captured_at,
        taken_at=now,
        taken_by=actor,
        cli_profile=cli,
        env_profile=env,
        document=without_nul(settings.redacted_document),
        explanation=without_nul(explanation.redacted_document) if explanation else None,
        faults=without_nul(_faults(settings, explanation)),
        unknown=without_nul(_unknown(settings, explanation)),
        redactions=without_nul(_redactions(settings, explanation)),
        disagreements=without_nul(
            [
                vars(disagreement)
                for disagreement in compare_with_explanation(
                    read.effective, explanation
                )
            ]
            if explanation
            else []
        ),
    )
    extensions = _note_overridden(read, snapshot, now)
    record_change(
        snapshot,
        action="policy_snapshot.taken",
        actor=actor,
        now=now,
        incident_id=incident_id,
        extensions=extensions,
        after={
            "settings": settings_item.sha256_hex,
            "explanation": explanation_item.sha256_hex if explanation_item else None,
            "profile": read.effective.effective_profile,
            "profile_source": read.effective.profile_source,
            "faults": len(snapshot.faults),
            "redactions": len(snapshot.redactions),
            "disagreements": len(snapshot.disagreements),
        },
    )
    return snapshot


def read_snapshot(snapshot: PolicySnapshot) -> SettingsSnapshot:
    """Return a stored snapshot as the rules know it."""
    return SettingsSnapshot(
        interpret_settings(snapshot.document),
        cli=snapshot.cli_profile or None,
        env=snapshot.env_profile or None,
    )


def list_decisions(snapshot: PolicySnapshot) -> list[dict[str, Any]]:
    """Return the decisions: for all extensions (None), then for each overridden."""
    policy = read_snapshot(snapshot).effective
    return [
        {
            "extension": extension,
            "capability": capability.value,
            "decision": decided.decision.value,
            "layer": decided.layer.value,
            "reason": decided.reason.value,
        }
        for extension in (None, *sorted(policy.per_extension))
        for capability, decided in evaluate_all(policy, extension).items()
    ]


def newest_snapshot(*, incident_id: int | None = None) -> PolicySnapshot | None:
    """Return the snapshot that shows the latest moment, of one case or of all."""
    rows = PolicySnapshot.objects.order_by("-captured_at", "-id")
    if incident_id is not None:
        rows = rows.filter(incident_id=incident_id)
    return rows.first()


def without_nul(value: Any) -> Any:
    """Return a JSON value that a jsonb column takes: NUL characters are replaced."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nul(item) for item in value]
    return value


def _store(
    incident_id: int,
    document: Mapping[str, Any],
    name: str,
    kind: EvidenceKind,
    *,
    actor: Actor,
    channel: Channel,
    ip_address: str | None,
    now: dt.datetime,
) -> EvidenceItem:
    data = json.dumps(document, indent=2, ensure_ascii=False).encode()
    item, _ = receive_evidence(
        incident_id=incident_id,
        stream=io.BytesIO(data),
        original_name=name,
        channel=channel,
        actor=actor,
        kind=kind,
        media_type="application/json",
        source="redacted before it was stored",
        ip_address=ip_address,
        now=now,
    )
    return item


def _note_overridden(
    read: SettingsSnapshot, snapshot: PolicySnapshot, now: dt.datetime
) -> tuple[Extension, ...]:
    names = sorted(name for name in read.effective.per_extension if name.strip())
    return tuple(
        note_extension(
            extension_id=name, seen_in=f"policy snapshot {snapshot.pk}", now=now
        )
        for name in names[:MAX_NOTED_EXTENSIONS]
    )


def _faults(
    settings: SettingsDocument, explanation: ExplanationDocument | None
) -> list[dict[str, str]]:
    return [
        {
            "document": name,
            "path": fault.path,
            "code": fault.code,
            "message": fault.message,
        }
        for name, document in _named(settings, explanation)
        for fault in document.faults
    ]


def _unknown(
    settings: SettingsDocument, explanation: ExplanationDocument | None
) -> list[dict[str, str]]:
    return [
        {"document": name, "path": path}
        for name, document in _named(settings, explanation)
        for path in document.unknown
    ]


def _redactions(
    settings: SettingsDocument, explanation: ExplanationDocument | None
) -> list[dict[str, str]]:
    return [
        {"document": name, "path": redaction.path, "kind": redaction.kind}
        for name, document in _named(settings, explanation)
        for redaction in document.redactions
    ]


def _named(
    settings: SettingsDocument, explanation: ExplanationDocument | None
) -> list[tuple[str, SettingsDocument | ExplanationDocument]]:
    documents: list[tuple[str, SettingsDocument | ExplanationDocument]] = [
        ("settings", settings)
    ]
    if explanation:
        documents.append(("explanation", explanation))
    return documents


def _profile(name: str) -> str:
    return clean_text(name, length=PROFILE_LENGTH)

"""Plain functions that make rows for tests: fixed defaults, nothing random."""

from __future__ import annotations

import datetime as dt
import io
from functools import cache
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction

from evidence.accounts.access import Role
from evidence.audit.history import incident_stream, record_entry
from evidence.models import Channel, EvidenceItem, EvidenceKind
from evidence.services.receipt import receive_evidence
from evidence.services.verification import run_verification
from incidents.models import Incident, PlaybookVersion
from incidents.services.lifecycle.aftermath import Aftermath
from incidents.services.lifecycle.closing import close_as_false_alarm
from incidents.services.lifecycle.opening import open_incident
from incidents.services.playbooks import BUILT_IN_FOLDER, load_playbook
from incidents.workflow.incident_states import IncidentSource, Severity
from incidents.workflow.outcomes import Outcome, read_outcome
from incidents.workflow.playbook_document import PlaybookDocument, parse_playbook
from tests.conftest import PASSWORD

VECTORS = Path(__file__).parent / "data" / "vectors"
OUTCOME = {
    "resolution": "false_positive",
    "functional_impact": "none",
    "information_impact": "none",
}
"""What a closed case has to say of itself."""
NOON = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
"""When things happen, unless a test says otherwise."""


def make_user(role: Role | None = Role.RESPONDER, username: str = "") -> User:
    """Return the user of this name, in the group of the role; None is an outsider."""
    name = username or (f"{role}" if role else "outsider")
    user, created = User.objects.get_or_create(
        username=name,
        defaults={"is_staff": role is not Role.MACHINE, "email": f"{name}@example.org"},
    )
    if created:
        user.set_password(PASSWORD)
        user.save()
        if role is not None:
            user.groups.add(Group.objects.get(name=role))
    return user


@cache
def built_in_documents() -> dict[str, tuple[str, PlaybookDocument]]:
    """Return the built-in playbooks by code, with their files' names; read them once.

    Reading YAML takes longer than all else that opening a case does.
    """
    paths = sorted(BUILT_IN_FOLDER.glob("*.yaml"))
    read = [
        (path.name, parse_playbook(path.read_text(), file_name=path.name))
        for path in paths
    ]
    return {document.code: (name, document) for name, document in read}


def make_playbook(code: str) -> PlaybookVersion:
    """Load one built-in playbook and return its newest version."""
    file_name, document = built_in_documents()[code]
    loaded = load_playbook(document, file_name=file_name, actor=None, now=NOON)
    return loaded.version


def make_playbooks() -> dict[str, PlaybookVersion]:
    """Load the built-in playbooks and return their newest versions by code."""
    return {code: make_playbook(code) for code in built_in_documents()}


def make_incident(*, playbook: str = "INC-2", **fields: Any) -> Incident:
    """Open a case as the system would: the service's arguments, with defaults."""
    defaults: dict[str, Any] = {
        "actor": None,
        "title": "Secret exposed to an extension",
        "severity": Severity.HIGH,
        "detected_at": NOON,
        "source": IncidentSource.MANUAL,
        "extension_ids": ("ext.weather",),
        "now": NOON,
    }
    version = fields.pop("playbook_version", None) or make_playbook(playbook)
    return open_incident(playbook_version=version, **{**defaults, **fields})


def make_outcome(**values: str) -> Outcome:
    """Return what a case turned out to be: a false positive without any impact."""
    return read_outcome(**{**OUTCOME, **values})


def close_false_alarm(
    incident: Incident,
    *,
    reason: str = "noise",
    role: Role | None = Role.REVIEWER,
    aftermath: Aftermath | None = None,
    now: dt.datetime | None = None,
) -> Incident:
    """Close a case as a false alarm, led by the reviewer who closes it."""
    reviewer = make_user(role)
    return close_as_false_alarm(
        actor=reviewer,
        incident_id=incident.pk,
        outcome=make_outcome(),
        lead=reviewer,
        reason=reason,
        aftermath=aftermath,
        now=now,
    )


def make_evidence(
    incident: Incident,
    *,
    vector: str = "plain",
    name: str = "",
    content: bytes | None = None,
    kind: EvidenceKind | None = None,
    actor: User | None = None,
    verified: bool = True,
    now: dt.datetime | None = None,
) -> EvidenceItem:
    """Attach a document of the vectors, or these bytes, and have it verified."""
    data = content
    if data is None:
        data = (VECTORS / f"{vector}.json").read_bytes()
    item, _ = receive_evidence(
        incident_id=incident.pk,
        stream=io.BytesIO(data),
        original_name=name or f"{vector}.json",
        channel=Channel.ADMIN,
        actor=actor,
        kind=kind,
        now=now or incident.reported_at,
    )
    if verified:
        request = item.verification_requests.latest("id")
        run_verification(request_id=request.pk)
    return item


def make_snapshot(incident: Incident) -> EvidenceItem:
    """Attach a configuration snapshot."""
    return make_evidence(
        incident,
        name="settings.json",
        content=b'{"extensionPolicy": {"profile": "safe"}}',
        kind=EvidenceKind.POLICY_SNAPSHOT,
    )


def view_replay(item: EvidenceItem, *, actor: User, now: dt.datetime = NOON) -> None:
    """Record that a person opened the forensic replay, as its page does."""
    with transaction.atomic():
        record_entry(
            streams=[incident_stream(item.incident_id)],
            action="evidence.replay_viewed",
            actor=actor,
            obj=item,
            now=now,
        )

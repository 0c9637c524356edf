"""Plain functions that make rows for tests: fixed defaults, nothing random."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import Group, User

from evidence.access import Role
from incidents.models import Incident, PlaybookVersion
from incidents.services.opening import open_incident
from incidents.services.playbooks import BUILT_IN_FOLDER, load_folder
from incidents.workflow.incident_states import IncidentSource, Severity
from tests.conftest import PASSWORD

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


def make_playbooks() -> dict[str, PlaybookVersion]:
    """Load the built-in playbooks and return their newest versions by code."""
    loaded = load_folder(BUILT_IN_FOLDER, actor=None, now=NOON)
    return {one.version.playbook.code: one.version for one in loaded}


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
    version = fields.pop("playbook_version", None) or make_playbooks()[playbook]
    return open_incident(playbook_version=version, **{**defaults, **fields})

"""The error family of the incidents app. Each error has a stable `code`."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from evidence.errors import CasefileError, Conflict, Forbidden, Missing


class IncidentError(CasefileError):
    """A case could not be opened, changed, moved or closed."""

    code = "incident_refused"


class IncidentNotFound(Missing, IncidentError):
    """What it is about is not there."""


class IncidentForbidden(Forbidden, IncidentError):
    """Not for this person."""


class ReasonMissing(IncidentError):
    """The change needs a reason, and none was given."""

    code = "reason_missing"


class IncidentClosed(Conflict, IncidentError):
    """The case is closed; reopen it first."""

    code = "incident_closed"


class TransitionError(Conflict, IncidentError):
    """A move of state that does not exist from here."""

    code = "invalid_transition"


class SecondPersonMissing(Forbidden, IncidentError):
    """Who did the first half of it cannot do the second."""

    code = "second_person_missing"


class AlertRefused(IncidentError):
    """Alerts cannot be moved as asked."""

    code = "alert_refused"


@dataclass(frozen=True)
class FieldChange:
    """One field of a conflict: what it was, what it is now, what was wanted."""

    field: str
    label: str
    before: str
    current: str
    wanted: str


class EditConflict(Conflict, IncidentError):
    """Somebody saved the case since it was read; nothing was overwritten.

    `changes` tells field by field what differs, `revision` is the current one and
    `changed_by` names the last who saved.
    """

    code = "edit_conflict"
    members = ("revision", "changed_by", "changes")

    def __init__(
        self,
        message: str,
        *,
        revision: int,
        changes: tuple[FieldChange, ...],
        changed_by: str,
    ) -> None:
        super().__init__(message)
        self.revision = revision
        self.changes = changes
        self.changed_by = changed_by


class NotificationRefused(IncidentError):
    """A notification, its channel or its settings cannot be as asked."""

    code = "notification_refused"


class PostmortemRefused(IncidentError):
    """A postmortem cannot be saved, submitted or reviewed as asked."""

    code = "postmortem_refused"


class PostmortemConflict(Conflict, PostmortemRefused):
    """The postmortem has moved on since it was read."""


class FourEyesRefused(Forbidden, PostmortemRefused):
    """Who wrote it cannot be who signs it."""

    code = "four_eyes"


class PlaybookRefused(IncidentError):
    """A playbook file cannot be loaded; the message names file and path."""

    code = "invalid_playbook"


class ArtifactRefused(IncidentError):
    """The artifact is not the one that the checklist item expects."""

    code = "artifact_not_expected"


class PruningRefused(Conflict, IncidentError):
    """Something is in the way of pruning a case; the message has all of it."""

    code = "pruning_refused"


class ArchiveLeaks(IncidentError):
    """A redacted archive would tell what it was to hide, so it is not kept."""

    code = "archive_leaks"


class ArchiveUnsound(IncidentError):
    """A case's archive does not pass its own checker, so it is not kept."""

    code = "archive_unsound"
    status = HTTPStatus.INTERNAL_SERVER_ERROR

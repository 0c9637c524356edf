"""The errors of the workflow package, each with a stable ``code``."""

from __future__ import annotations

from dataclasses import dataclass

from evidence.errors import CasefileError, Conflict


class WorkflowError(CasefileError):
    """Base of the family: a message for people, a ``code`` for programs."""

    code = "workflow_error"


@dataclass(frozen=True)
class Problem:
    """One fault of a document: the JSON path at fault and what is wrong there."""

    path: str
    message: str

    def __str__(self) -> str:
        """Return path and message as people read them."""
        return f"{self.path}: {self.message}"


class DocumentError(WorkflowError):
    """A document that cannot be read; every fault found is in ``problems``."""

    code = "invalid_document"
    members = ("path", "problems")

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        """Keep the problems; the message names all of them."""
        self.name = name
        self.problems = problems
        super().__init__("; ".join(f"{name}: {problem}" for problem in problems))

    @property
    def path(self) -> str:
        """The path of the first fault."""
        return self.problems[0].path


class PlaybookError(DocumentError):
    """A playbook that cannot be loaded; the message names the file."""

    code = "invalid_playbook"


class AlertError(DocumentError):
    """An alert that cannot be kept; one of a batch says nothing of the others."""

    code = "invalid_alert"


class AlertRuleError(WorkflowError):
    """A rule that cannot be followed, such as one that counts to 0."""

    code = "invalid_alert_rule"


class MoveError(Conflict, WorkflowError):
    """A move of state that does not exist, or lacks what it needs."""

    code = "invalid_move"


class ConditionError(WorkflowError):
    """A waiver of a condition that the gate does not have, or without a reason."""

    code = "invalid_waiver"


class OutcomeError(WorkflowError):
    """A case cannot be closed with this outcome, or without one."""

    code = "outcome_refused"


class MomentError(WorkflowError):
    """A moment without a time zone, which no clock can be computed from."""

    code = "naive_moment"


class ReminderPlanError(WorkflowError):
    """A plan of reminders that cannot be followed."""

    code = "invalid_reminder_plan"

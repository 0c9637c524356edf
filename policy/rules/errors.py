"""The error family of the policy rules: stable codes, JSON paths, no secrets.

A message says what is wrong and what to do. It never
repeats a value from a document, since that value may be a secret.
"""

from __future__ import annotations

from dataclasses import dataclass

from evidence.errors import CasefileError, Conflict


class PolicyError(CasefileError):
    """The root of every error of the policy app; `path` says where in a document."""

    code = "policy_error"
    members = ("path",)

    def __init__(
        self, message: str, *, path: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.path = path


class DocumentError(PolicyError):
    """A document that cannot be read at all; `reason` is the reader's own code."""

    code = "document_refused"

    def __init__(
        self, message: str, *, path: str | None = None, reason: str = "malformed"
    ) -> None:
        super().__init__(message, path=path)
        self.reason = reason


class TrustTransitionError(Conflict, PolicyError):
    """A move that the trust state machine does not have."""

    code = "trust_transition_refused"


class KillSwitchError(Conflict, PolicyError):
    """A move that a kill switch cannot make."""

    code = "kill_switch_refused"


class QuotaError(PolicyError):
    """A quota change that lacks what it needs."""

    code = "quota_change_refused"


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a document that could be read, named by its JSON path."""

    path: str
    code: str
    message: str

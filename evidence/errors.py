"""The error families of the evidence app. Each error has a stable `code`."""


class CasefileError(Exception):
    """Root of the apps' error families: a refusal that a user is meant to read.

    `code` is stable and machine-readable; the message says what was expected, what
    was found and what to do. Nothing was changed when one of these is raised.
    """

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class PermissionRefused(CasefileError):
    """The actor may not do this."""

    code = "permission_refused"


class EvidenceError(CasefileError):
    """Evidence could not be received, verified, exported or read."""

    code = "evidence_refused"


class HistoryError(CasefileError):
    """The audit history cannot be read or does not hold together."""

    code = "history_broken"

"""The error families of the evidence app. Each error has a stable `code`."""


class CasefileError(Exception):
    """Root of the apps' error families: a refusal that a user is meant to read.

    `code` is stable and machine-readable; the message says what was expected, what
    was found and what to do. Nothing was changed when one of these is raised. `field`
    names the service's argument that it is about, where it is about one.
    """

    code = "refused"
    field: str | None = None

    def __init__(
        self, message: str, *, code: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        if field is not None:
            self.field = field
        if code is not None:
            self.code = code


class PermissionRefused(CasefileError):
    """The actor may not do this."""

    code = "permission_refused"


class MomentRefused(CasefileError):
    """A time without its zone, or outside what can be meant."""

    code = "moment_refused"


class EvidenceError(CasefileError):
    """Evidence could not be received, verified, exported or read."""

    code = "evidence_refused"


class PersonError(CasefileError):
    """A person's account cannot be made or changed as asked."""

    code = "person_refused"


class TokenError(CasefileError):
    """An API token cannot be made as asked."""

    code = "token_refused"


class UploadTooLarge(EvidenceError):
    """More bytes than EVIDENCE_MAX_BYTES arrived; none was kept."""

    code = "too_large"


class UploadBroken(EvidenceError):
    """The sender stopped before the end; nothing was kept."""

    code = "upload_broken"


class DigestMismatch(EvidenceError):
    """The bytes that arrived are not those the sender said it sent."""

    code = "digest_mismatch"


class UnreadableDocument(EvidenceError):
    """A bundle or ledger that the strict reader refuses. `path` says where, if known.

    `reason_code` is the reader's own code for the fault.
    """

    code = "document_refused"

    def __init__(
        self,
        message: str,
        *,
        path: str | None,
        reason_code: str,
        code: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.path = path
        self.reason_code = reason_code


class EvidenceMissing(EvidenceError):
    """The stored bytes are not where their digest says."""

    code = "evidence_missing"


class EvidenceDamaged(EvidenceError):
    """The stored bytes no longer have the digest they were received under."""

    code = "evidence_damaged"


class StorageUnavailable(EvidenceError):
    """The evidence store cannot be reached or written just now: worth another try."""

    code = "storage_unavailable"


class HistoryError(CasefileError):
    """The audit history cannot be read or does not hold together."""

    code = "history_broken"

"""The error families of the evidence app. Each error has a stable `code`.

An error also carries the HTTP status it answers with and the members that its problem
document has beside the message: the code that raises it knows best what kind it is.
"""

from __future__ import annotations

import errno
from dataclasses import asdict, is_dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from evidence.wording import end_sentence


class CasefileError(Exception):
    """Root of the apps' error families: a refusal that a user is meant to read.

    `code` is stable and machine-readable; the message is a plain sentence that says
    what is wrong and what to do. Nothing was changed when one of these is raised.
    `field` names the service's argument that it is about, where it is about one.
    """

    code = "refused"
    # Understood, and not to be followed as it stands.
    status: ClassVar[HTTPStatus] = HTTPStatus.UNPROCESSABLE_ENTITY
    # Attributes that a problem document shows beside the message.
    members: ClassVar[tuple[str, ...]] = ()
    field: str | None = None

    def __init__(
        self, message: str, *, code: str | None = None, field: str | None = None
    ) -> None:
        self.message = end_sentence(message)
        super().__init__(self.message)
        if field is not None:
            self.field = field
        if code is not None:
            self.code = code

    def problem_members(self) -> dict[str, Any]:
        """Return what a problem document has beside the message, as JSON values."""
        held = {name: getattr(self, name) for name in self.members}
        return {
            name: _plain(value) for name, value in held.items() if value is not None
        }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value if isinstance(value, (str, int, float, bool)) else str(value)


class Malformed(CasefileError):
    """Not of the form that is asked for, so that nothing was looked up."""

    status = HTTPStatus.BAD_REQUEST


class SentTwice(Malformed):
    """A parameter, a field or a member of JSON that takes one value has several."""

    code = "sent_twice"
    told_length = 100

    def __init__(self, *names: str) -> None:
        # As an answer can hold them: half of a surrogate pair no text can.
        self.names = sorted(
            name[: self.told_length].encode("utf-8", "backslashreplace").decode()
            for name in names
        )
        told = ", ".join(self.names)
        super().__init__(f"Sent more than once, and taken once: {told}.")

    def problem_members(self) -> dict[str, Any]:
        detail = "Sent more than once, and it takes one value."
        return {
            "errors": [
                {"field": name, "code": self.code, "detail": detail}
                for name in self.names
            ]
        }


class Forbidden(CasefileError):
    """Not for this person; others may."""

    status = HTTPStatus.FORBIDDEN


class Missing(CasefileError):
    """What it is about is not there, or not for this person to see."""

    status = HTTPStatus.NOT_FOUND


class Conflict(CasefileError):
    """Not now, as things stand; the same request may do at another time."""

    status = HTTPStatus.CONFLICT


class PermissionRefused(Forbidden):
    """The actor may not do this."""

    code = "permission_refused"


class MomentRefused(CasefileError):
    """A time without its zone, or outside what can be meant."""

    code = "moment_refused"


class EvidenceError(CasefileError):
    """Evidence could not be received, verified, exported or read."""

    code = "evidence_refused"


class EvidenceMalformed(Malformed, EvidenceError):
    """An argument about evidence that is not of its form."""


class EvidenceNotFound(Missing, EvidenceError):
    """Evidence, or the case that it is for, is not there."""


class EvidenceConflict(Conflict, EvidenceError):
    """Evidence is not in a state that allows it."""


class EvidencePruned(EvidenceError):
    """It was here, and was pruned once its case was archived; a tombstone stays."""

    code = "pruned"
    status = HTTPStatus.GONE


class BucketRefused(EvidenceError):
    """A bucket elsewhere did not take a copy, or does not keep it as asked."""

    code = "bucket_refused"


class PersonError(CasefileError):
    """A person's account cannot be made or changed as asked."""

    code = "person_refused"


class FactorError(CasefileError):
    """A second factor that cannot be added, used or removed so."""

    code = "factor_refused"


class SignOnError(PersonError):
    """Somebody cannot be signed in, or linked, by the provider of single sign-on."""

    code = "sign_on_refused"


class SignOnUnreachable(SignOnError):
    """The provider of single sign-on does not answer; nobody is at fault here."""

    code = "sign_on_unreachable"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class TokenError(CasefileError):
    """An API token cannot be made as asked."""

    code = "token_refused"


class UploadTooLarge(EvidenceError):
    """More bytes than EVIDENCE_MAX_BYTES arrived; none was kept."""

    code = "too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UploadBroken(Malformed, EvidenceError):
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
    members = ("path", "reason_code")

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
    status = HTTPStatus.INTERNAL_SERVER_ERROR


class EvidenceDamaged(EvidenceError):
    """The stored bytes no longer have the digest they were received under."""

    code = "evidence_damaged"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


class StorageUnavailable(EvidenceError):
    """The evidence store cannot be reached or written just now: worth another try."""

    code = "storage_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class StoreNotReady(StorageUnavailable):
    """The store is not the one that the evidence was received into."""

    code = "store_not_ready"


class StorageBusy(StorageUnavailable):
    """The evidence store is slow, and as many wait for it as may."""

    code = "storage_busy"


def as_refusal(error: Exception) -> Exception:
    """Return what a full disk raised as the refusal that it is; the rest as it is.

    What is sent may be written to this machine's disk before any code of ours sees it;
    and whatever our own code raises because of a full disk is one all the same.
    """
    if isinstance(error, StorageUnavailable) or not any(map(_is_full, _causes(error))):
        return error
    return StorageUnavailable(
        "The disk of this server is full, and what was sent could not be taken in. "
        "Nothing was stored: try again once an administrator has made room."
    )


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and those that it was raised from, newest first."""
    found = [error]
    while (cause := found[-1].__cause__) is not None and cause not in found:
        found.append(cause)
    return found


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class BackupRefused(CasefileError):
    """A backup cannot be made, or not be restored, as asked."""

    code = "backup_refused"


class RecordsRefused(CasefileError):
    """What was recorded of the rows cannot be changed as asked."""

    code = "records_refused"


class HistoryError(CasefileError):
    """The audit history cannot be read or does not hold together."""

    code = "history_broken"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


class LogKeyMissing(CasefileError):
    """The key that signs the history log is not where it should be, or is no key."""

    code = "log_key_missing"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class LogPlaceRefused(CasefileError):
    """A place outside does not take a checkpoint, or is named wrongly."""

    code = "log_place_refused"


class LogRefused(Missing):
    """The history log has no such leaf, size or tile."""

    code = "not_in_log"


class HealthWarning(Exception):
    """A part of the installation works, and somebody has to look after it.

    Its text is shown as it is to who asks for the readiness.
    """


class HealthUnknown(Exception):
    """Nobody can tell whether a part works. Its text is shown as it is."""


class HealthFailure(Exception):
    """A part does not work, in our own words, which are shown as they are."""

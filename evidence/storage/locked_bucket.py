"""Objects in a bucket elsewhere that nobody deletes before their time (object lock).

The address and the keys of the service are those of AWS's own tools: `AWS_…` in the
environment. The bucket has to be made with object lock.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from evidence.errors import BucketRefused
from evidence.storage.places import CHUNK_BYTES

LOCK_MODE = "COMPLIANCE"
# Who calls asks again later by themselves, and others may wait behind this try.
CONNECT_SECONDS = 5
READ_SECONDS = 30
REMEDIES = {
    "NoSuchBucket": "Make the bucket, with object lock.",
    "AccessDenied": "Let the key put, read and lock objects there: s3:PutObject, "
    "s3:PutObjectRetention, s3:GetObject, s3:GetObjectRetention.",
    "InvalidAccessKeyId": "Check AWS_ACCESS_KEY_ID.",
    "SignatureDoesNotMatch": "Check AWS_SECRET_ACCESS_KEY.",
    "InvalidRequest": "Object lock can only be used in a bucket that was made with it.",
    "NoCredentialsError": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
}
OTHERWISE = "Check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, the keys and the network."
NOT_THERE = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True)
class LockedObject:
    """An object as it was read back, whole, and until when it is locked.

    `retain_until` is None where it is not locked in compliance mode.
    """

    sha256_hex: str
    size_bytes: int
    version_id: str
    retain_until: dt.datetime | None


def put_locked(
    bucket: str,
    key: str,
    body: IO[bytes],
    *,
    retain_until: dt.datetime,
    content_type: str,
) -> None:
    """Put an object that is kept until a moment. Raise BucketRefused where it is not.

    In parts where it is large, so that memory stays flat.
    """
    with _refusals("did not take it") as client:
        from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]

        client.upload_fileobj(
            body,
            bucket,
            key,
            ExtraArgs={
                "ContentType": content_type,
                "ObjectLockMode": LOCK_MODE,
                "ObjectLockRetainUntilDate": retain_until,
            },
            Config=TransferConfig(use_threads=False),
        )


def find_locked(bucket: str, key: str) -> LockedObject | None:
    """Read an object back, all of its bytes; None where there is none of that name.

    Raise BucketRefused where it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with _refusals("cannot be read") as client:
        found = _get(client, bucket, key)
        if found is None:
            return None
        for chunk in found["Body"].iter_chunks(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    is_locked = found.get("ObjectLockMode") == LOCK_MODE
    return LockedObject(
        sha256_hex=digest.hexdigest(),
        size_bytes=size,
        version_id=found.get("VersionId", ""),
        retain_until=found.get("ObjectLockRetainUntilDate") if is_locked else None,
    )


def _get(client: Any, bucket: str, key: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        found: dict[str, Any] = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in NOT_THERE:
            return None
        raise
    return found


@contextmanager
def _refusals(what: str) -> Iterator[Any]:
    """Give a client; what it raises becomes BucketRefused, with what to do."""
    try:
        # Only where a bucket is named: requirements-s3.txt.
        import boto3  # type: ignore[import-untyped]
        from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise BucketRefused(
            "The client of buckets is not installed here. Install "
            "requirements-s3.txt and start again."
        ) from error
    patience = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1},
        # The digest of what comes back is ours to judge; the client would raise.
        response_checksum_validation="when_required",
    )
    try:
        yield boto3.client("s3", config=patience)
    except (Boto3Error, BotoCoreError, ClientError, ValueError, OSError) as error:
        cause = error.__context__ if isinstance(error, Boto3Error) else error
        raise BucketRefused(f"The bucket {what}. {_told(cause or error)}") from error


def _told(error: BaseException) -> str:
    """Return what a service answered, without an address, and what to do about it."""
    answer = getattr(error, "response", {}).get("Error", {})
    code = str(answer.get("Code") or type(error).__name__)
    said = str(answer.get("Message") or "").strip().rstrip(".")
    return f"{code}{f': {said}' if said else ''}. {REMEDIES.get(code, OTHERWISE)}"

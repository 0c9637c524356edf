"""Where files live: on this machine's disk, or in S3-compatible object storage."""

from typing import Any

from config.environment import (
    read_endpoint,
    read_flag,
    read_pattern,
    read_token,
    refuse,
)

BUCKET = r"[A-Za-z0-9._-]{3,255}"
REGION = r"[a-z0-9-]+"

STATIC_BACKENDS = {
    True: "whitenoise.storage.CompressedManifestStaticFilesStorage",
    False: "django.contrib.staticfiles.storage.StaticFilesStorage",
}


def make_storages(evidence_root: str, *, static_manifest: bool) -> dict[str, Any]:
    """Return Django's STORAGES; evidence goes to S3 when EVIDENCE_S3_BUCKET is set."""
    return {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        "evidence": _make_s3_storage() or _make_file_storage(evidence_root),
        "staticfiles": {"BACKEND": STATIC_BACKENDS[static_manifest]},
    }


def _make_file_storage(evidence_root: str) -> dict[str, Any]:
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": evidence_root,
            "file_permissions_mode": 0o440,
            "directory_permissions_mode": 0o750,
        },
    }


def _make_s3_storage() -> dict[str, Any] | None:
    bucket = read_pattern(
        "EVIDENCE_S3_BUCKET", pattern=BUCKET, expected="the name of a bucket"
    )
    found = {
        "endpoint_url": read_endpoint("EVIDENCE_S3_ENDPOINT"),
        "region_name": read_pattern(
            "EVIDENCE_S3_REGION", pattern=REGION, expected="a region, as eu-central-1"
        ),
        "access_key": read_token("EVIDENCE_S3_ACCESS_KEY"),
        "secret_key": read_token("EVIDENCE_S3_SECRET_KEY"),
    }
    is_path_style = read_flag("EVIDENCE_S3_PATH_STYLE", default=False)
    if not bucket:
        _require_no_bucket_meant(found)
        return None
    if bool(found["access_key"]) != bool(found["secret_key"]):
        refuse(
            "EVIDENCE_S3_ACCESS_KEY and EVIDENCE_S3_SECRET_KEY belong together: set "
            "both, or neither for the machine's own role",
            *("EVIDENCE_S3_ACCESS_KEY", "EVIDENCE_S3_SECRET_KEY"),
        )
    options: dict[str, Any] = {
        "bucket_name": bucket,
        "default_acl": "private",
        "file_overwrite": False,
        "querystring_auth": True,
        "addressing_style": "path" if is_path_style else "auto",
    }
    options |= {name: value for name, value in found.items() if value}
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


def _require_no_bucket_meant(found: dict[str, str]) -> None:
    """Refuse half of a bucket: evidence would go to the disk without a word."""
    if any(found.values()):
        refuse(
            "EVIDENCE_S3_BUCKET is not set, and another EVIDENCE_S3_ variable is. Name "
            "the bucket, or unset the others: evidence would be kept on the disk",
            "EVIDENCE_S3_BUCKET",
        )

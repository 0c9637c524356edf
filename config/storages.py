"""Where files live: on this machine's disk, or in S3-compatible object storage."""

from typing import Any

from config.environment import read_flag, read_text

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
    bucket = read_text("EVIDENCE_S3_BUCKET")
    if not bucket:
        return None
    options: dict[str, Any] = {
        "bucket_name": bucket,
        "default_acl": "private",
        "file_overwrite": False,
        "querystring_auth": True,
        "addressing_style": "path"
        if read_flag("EVIDENCE_S3_PATH_STYLE", default=False)
        else "auto",
    }
    for option, variable in (
        ("endpoint_url", "EVIDENCE_S3_ENDPOINT"),
        ("region_name", "EVIDENCE_S3_REGION"),
        ("access_key", "EVIDENCE_S3_ACCESS_KEY"),
        ("secret_key", "EVIDENCE_S3_SECRET_KEY"),
    ):
        value = read_text(variable)
        if value:
            options[option] = value
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}

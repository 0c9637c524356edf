"""Settings for tests: production's, except for speed, folders and plain HTTP.

The launcher starts the servers and sets the environment.
"""

import os
import tempfile
from pathlib import Path

_FOLDER = Path(os.environ.get("CASEFILE_TEST_FOLDER") or tempfile.mkdtemp())

os.environ.setdefault(
    "SECRET_KEY", "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
)
os.environ.setdefault("ALLOWED_HOSTS", "testserver,localhost,127.0.0.1")
os.environ.setdefault("EVIDENCE_ROOT", str(_FOLDER / "evidence"))
os.environ.setdefault("CASEFILE_BASE_URL", "http://testserver")
os.environ.setdefault("HTTPS", "false")
os.environ.setdefault("STATIC_MANIFEST", "false")
os.environ.setdefault("LOG_FORMAT", "console")
os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ.setdefault("EMAIL_URL", "memorymail://")

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

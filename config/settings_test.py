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
# Asked for where a test is about it.
os.environ.setdefault("PRESENCE_MINUTES", "0")
os.environ.setdefault("SECOND_FACTOR_ROLES", "")
os.environ.setdefault("EMAIL_URL", "memorymail://")
# A machine that is busy with tests is slow, and nobody waits for an answer.
os.environ.setdefault("DATABASE_LOCK_SECONDS", "30")
os.environ.setdefault("DATABASE_IDLE_SECONDS", "300")

# Parallel pytest processes share the server, each with two databases of its own. A
# worker that one of them starts is given the URL as it is.
_NUMBER = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
if int(_NUMBER) and "?" not in os.environ["REDIS_URL"]:
    os.environ["REDIS_URL"] += f"?db={2 * int(_NUMBER)}"

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, INSTALLED_APPS  # noqa: E402

# PostgreSQL, with leave to empty append-only tables between two tests, and quickly.
DATABASES["default"]["ENGINE"] = "tests.backend"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.backend"]
# Look static files up when asked, instead of listing them for every test client.
WHITENOISE_AUTOREFRESH = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

"""`check --deploy` on production's own settings, as strictly as production starts."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

from config.launcher.folders import ROOT

# What docs/deploy.md asks for, and nothing that relaxes a default.
PRODUCTION = {
    "SECRET_KEY": secrets.token_urlsafe(64),
    "ALLOWED_HOSTS": "casefile.example.org",
    "CASEFILE_BASE_URL": "https://casefile.example.org",
    "EVIDENCE_ROOT": "/var/lib/casefile/evidence",
    "DJANGO_SETTINGS_MODULE": "config.settings",
}


def main() -> int:
    """Return 0 if there is no warning."""
    command = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    environment = {**os.environ, **PRODUCTION}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment
    ).returncode


if __name__ == "__main__":
    sys.exit(main())

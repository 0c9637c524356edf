"""`check --deploy` on production's own settings, as strictly as production starts."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile

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
    commands = (
        ["collectstatic", "--noinput", "--verbosity", "0"],
        ["check", "--deploy", "--fail-level", "WARNING"],
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **PRODUCTION, "STATIC_ROOT": folder}
        for command in commands:
            code = subprocess.run(
                [sys.executable, "manage.py", *command], cwd=ROOT, env=environment
            ).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

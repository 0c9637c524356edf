"""Settings for commands that read and write documents and touch nothing else.

No database is reached and nothing is signed: the values below only satisfy the checks.
"""

import os
import secrets
import tempfile

from config.environment import FROM_FILES, file_variable

for _name in FROM_FILES:
    os.environ.pop(file_variable(_name), None)  # nobody's secrets are needed here

for _name, _value in {
    "SECRET_KEY": secrets.token_urlsafe(64),
    "ALLOWED_HOSTS": "localhost",
    "DATABASE_URL": "postgres://offline@offline.invalid/offline",
    "REDIS_URL": "redis://offline.invalid",
    "EVIDENCE_ROOT": os.path.join(tempfile.gettempdir(), "casefile-offline"),
    "CASEFILE_BASE_URL": "http://localhost",
    "LOG_FORMAT": "console",
    "LOG_LEVEL": "WARNING",
}.items():
    os.environ.setdefault(_name, _value)

from config.settings import *  # noqa: E402, F403

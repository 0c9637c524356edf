"""Settings for commands that read and write documents: only what those import.

Loading all of Casefile takes two seconds, and reading a file needs none of it.
"""

import secrets

SECRET_KEY = secrets.token_urlsafe(64)  # signs nothing
INSTALLED_APPS = [
    "evidence.apps.DocumentCommandsConfig",
    "incidents.apps.DocumentCommandsConfig",
]
USE_TZ = True

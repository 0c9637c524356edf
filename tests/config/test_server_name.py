"""What answers does not say what it is."""

import os
import subprocess
import sys

from config.launcher.folders import ROOT

SAY = "import config.gunicorn, gunicorn.http.wsgi as wsgi; print(wsgi.SERVER)"


def test_server_header_names_no_product() -> None:
    told = subprocess.run(
        [sys.executable, "-c", SAY],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings_test"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "-"

"""Pins and hashes what the requirements*.in files ask for: `make lock`.

Each requirements*.txt is whole: what a kind of installation needs, down to the last
package, for every supported Python and platform, with the hashes of all its files. What
was pinned before stays at its version, unless an .in file asks for another; ARGS goes
to uv (`ARGS="--upgrade-package celery"`, `ARGS=--upgrade`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST_PYTHON = "3.11"
# In order: each file is held to the versions of those before it.
NAMES = (
    *("requirements", "requirements-s3", "requirements-dev"),
    "requirements-manifests",
)
EMBEDDED = "requirements-embedded"
PINNED = re.compile(r"^[A-Za-z0-9][^\\#\n]*==[^\\#\n]*", re.MULTILINE)


def lock(options: list[str]) -> None:
    """Write every requirements*.txt anew. Raise CalledProcessError where uv fails."""
    held: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (*NAMES, EMBEDDED):
            _lay_out(file, folder)
        for file in NAMES:
            _compile(file, folder, [*held, *options])
            held += ["--constraints", f"{file}.txt"]
        _compile(EMBEDDED, folder, ["--no-deps", *options])
        for file in (*NAMES, EMBEDDED):
            shutil.copyfile(folder / f"{file}.txt", ROOT / f"{file}.txt")


def _lay_out(file: str, folder: Path) -> None:
    """Put what is asked for and the old versions where uv works: no path is written.

    uv keeps the hashes that it finds in an old file, even where files were added to a
    release since; so it is given the versions alone.
    """
    shutil.copyfile(ROOT / f"{file}.in", folder / f"{file}.in")
    old = ROOT / f"{file}.txt"
    pins = PINNED.findall(old.read_text()) if old.exists() else []
    (folder / old.name).write_text("".join(f"{pin.strip()}\n" for pin in pins))


def _compile(file: str, folder: Path, options: list[str]) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", f"{file}.in"]
    command += ["--quiet", "--universal", "--python-version", OLDEST_PYTHON]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--custom-compile-command", "make lock", "-o", f"{file}.txt"]
    subprocess.run([*command, *options], cwd=folder, check=True)


if __name__ == "__main__":
    try:
        lock(sys.argv[1:])
    except subprocess.CalledProcessError:
        sys.exit("Nothing was changed: uv could not settle the versions (see above).")

"""Makes `.venv` and keeps it in step with the requirements files.

Runs on whatever `python3` is on PATH, however old, to be able to say what is missing:
standard library only, and no syntax newer than Python 3.7.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

from config.launcher.errors import LaunchError

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "casefile-requirements.json"
PROGRESS_SECONDS = 4.0
PROGRESS_WIDTH = 66
LAST_LINES = 30
SUPPORTED = ((3, 14), (3, 13), (3, 12), (3, 11))
SUPPORTED_TEXT = "3.11, 3.12, 3.13 or 3.14"

# Each file is whole: all that its kind of use needs, pinned and hashed.
RUN = ("requirements.txt", "requirements-embedded.txt")
DEVELOPMENT = ("requirements-dev.txt", "requirements-embedded.txt")
EMBEDDED = "requirements-embedded.txt"
CONTAINED = {"requirements-dev.txt": ("requirements.txt", "requirements-s3.txt")}
# A source archive would be built with tools that nobody pinned: wheels only. The files
# are whole, and pip trips over extras that it meets again by hash.
OPTIONS = ("--require-hashes", "--no-deps", "--only-binary", ":all:")


def enter_environment(requirements: tuple[str, ...], arguments: list[str]) -> None:
    """Make the environment where needed, and go on inside it; return if inside."""
    if os.name != "posix":
        raise LaunchError("Casefile runs on Linux and macOS; on Windows, use WSL.")
    VENV.mkdir(exist_ok=True)
    with (VENV / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not VENV_PYTHON.exists():
            _make_environment()
        _require_working_environment()
        _install_changed(requirements)
    if Path(sys.prefix).resolve() != VENV.resolve():
        command = [str(VENV_PYTHON), "-m", "config.launcher", *arguments]
        os.chdir(str(ROOT))
        os.execv(command[0], command)


def find_interpreter() -> str:
    """Return a Python of a supported version. Raise LaunchError for none."""
    names = [sys.executable, *(f"python{major}.{minor}" for major, minor in SUPPORTED)]
    for name in names:
        path = shutil.which(name)
        if path and _read_version(path) in SUPPORTED:
            return path
    raise LaunchError(
        f"Casefile needs Python {SUPPORTED_TEXT}; python3 here is "
        f"{sys.version_info[0]}.{sys.version_info[1]}, and none of "
        f"{', '.join(names[1:])} on PATH works. Install one of them, or name one: "
        "make run PYTHON=/path/to/python3.12"
    )


def _read_version(path: str) -> tuple[int, ...]:
    """Ask the program itself: names on PATH may be wrappers that do not work."""
    code = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        told = subprocess.run(
            [path, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ).stdout.decode()
    except OSError:
        return ()
    return tuple(int(word) for word in told.split() if word.isdigit())


def _make_environment() -> None:
    interpreter = find_interpreter()
    _say(f"making .venv with {interpreter}")
    if not (_run_uv("venv", "--python", interpreter) or _run_venv(interpreter)):
        shutil.rmtree(str(VENV), ignore_errors=True)
        raise LaunchError(
            "The environment .venv could not be made (see above). On Debian and "
            "Ubuntu, install python3-venv; anywhere, putting uv on PATH helps too. If "
            "the disk is full, free about 700 MB."
        )


def _run_uv(*words: str) -> bool:
    """Return False where there is no uv, or where it fails."""
    uv = shutil.which("uv")
    if not uv:
        return False
    where = ["--allow-existing", str(VENV)] if words[0] == "venv" else []
    return run_with_progress([uv, *words, *where])


def _run_venv(interpreter: str) -> bool:
    return run_with_progress([interpreter, "-m", "venv", str(VENV)])


def run_with_progress(
    command: list[str], every_seconds: float = PROGRESS_SECONDS
) -> bool:
    """Run an installer, and tell now and then that it is at work and with what.

    Return False where it failed, after showing what it said last.
    """
    last = deque(maxlen=LAST_LINES)  # type: deque[str]
    started = time.monotonic()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        errors="replace",
    ) as process:
        reading = threading.Thread(target=last.extend, args=(process.stdout,))
        reading.start()
        while True:
            try:
                code = process.wait(every_seconds)
                break
            except subprocess.TimeoutExpired:
                seconds = int(time.monotonic() - started)
                doing = last[-1].strip() if last else ""
                _say(f"  {seconds} s  {doing[:PROGRESS_WIDTH]}")
        reading.join()
    if code:
        print("".join(last), file=sys.stderr, flush=True)
    return code == 0


def _require_working_environment() -> None:
    version = _read_version(str(VENV_PYTHON))
    if version not in SUPPORTED:
        found = ".".join(map(str, version)) or "none that works"
        raise LaunchError(
            f"The Python in .venv is {found}, and {SUPPORTED_TEXT} is needed. Remove "
            "it with `rm -r .venv`, and run this again."
        )


def _install_changed(requirements: tuple[str, ...]) -> None:
    """Install those files whose content differs from what was last installed."""
    stamps = json.loads(STAMP.read_text()) if STAMP.exists() else {}
    for name in requirements:
        stamp = _hash_file(name)
        if stamps.get(name) == stamp:
            continue
        _say(f"installing {name}; the first time, this takes a minute or two")
        _install(name)
        for installed in (name, *CONTAINED.get(name, ())):
            stamps[installed] = _hash_file(installed)
        STAMP.write_text(json.dumps(stamps, indent=1))


def _hash_file(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def _install(name: str) -> None:
    """Install a file with uv, or with pip: a machine may have only pip set up."""
    options = [*OPTIONS, "-r", str(ROOT / name)]
    python = str(VENV_PYTHON)
    if _run_uv("pip", "install", "--python", python, *options):
        return
    if run_pip(*options):
        return
    if name == EMBEDDED:
        _say("no embedded servers for this machine; looking for installed ones")
        return
    raise LaunchError(
        f"{name} could not be installed (see above). Without a network, point pip at a "
        "folder of wheels (PIP_FIND_LINKS, PIP_NO_INDEX=1). If the disk is full, free "
        "about 700 MB."
    )


def run_pip(*words: str) -> bool:
    """Install what the words name, and return False where that failed."""
    pip = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check"]
    if not _runs_silently([*pip, "--version"]):
        # uv makes environments without pip.
        _runs_silently([str(VENV_PYTHON), "-m", "ensurepip"])
    install = [*pip, "install", "--no-input", "--progress-bar", "off"]
    return run_with_progress([*install, *words])


def _runs_silently(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _say(text: str) -> None:
    print(f"casefile: {text}", flush=True)

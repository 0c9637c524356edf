"""Finds a user that PostgreSQL accepts: it refuses to run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from config.launcher.errors import LaunchError
from config.launcher.processes import TETHER

# In a namespace of its own, root can look like any other user: files stay root's, and
# no account is needed. The number only has to differ from 0.
UNSHARE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
NOBODY = 65534
KEEP_USER = -1


@dataclass(frozen=True)
class ServerUser:
    """How to run a server: a command to put in front, or a user to become."""

    wrapper: tuple[str, ...] = ()
    uid: int = KEEP_USER

    def take(self, folder: Path) -> None:
        """Give a folder of ours to the server's user."""
        if self.uid != KEEP_USER:
            os.chown(folder, self.uid, self.uid)


def find_server_user(data: Path, program: Path) -> ServerUser:
    """Return a user for the program and its data. Raise LaunchError for none."""
    if os.geteuid() != 0:
        return ServerUser()
    if _can_unshare():
        return ServerUser(wrapper=UNSHARE)
    # Others may pass through our own folder, without listing it; its files are private.
    data.chmod(0o711)
    for path in (data, program):
        if not _can_nobody_reach(path):
            raise LaunchError(
                f"PostgreSQL does not run as root, this machine refuses user "
                f"namespaces, and the user nobody cannot reach {path}. Run as an "
                "ordinary user, or move the project to a folder that others may enter "
                "(such as /opt/casefile), or set DATABASE_URL."
            )
    return ServerUser(uid=NOBODY)


def _can_unshare() -> bool:
    if os.environ.get("CASEFILE_NO_USER_NAMESPACES"):
        return False
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def _can_nobody_reach(path: Path) -> bool:
    tether = [sys.executable, "-I", "-S", str(TETHER)]
    become = ["9", str(os.getpid()), str(NOBODY)]
    test = [shutil.which("test") or "/usr/bin/test", "-x", str(path)]
    return subprocess.run([*tether, *become, *test]).returncode == 0

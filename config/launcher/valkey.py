"""Valkey (or Redis) on a socket in a private folder, never on a port."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from urllib.parse import quote

from config.launcher.binaries import find_valkey
from config.launcher.folders import ServerFolders
from config.launcher.processes import Process, start_process
from config.launcher.waiting import wait_until_ready

SOCKET = "valkey.sock"


def start_valkey(folders: ServerFolders, *, durable: bool) -> tuple[Process, str]:
    """Start Valkey and return its URL. A durable one keeps queued tasks on disk."""
    path = folders.sockets / SOCKET
    home = folders.data / "valkey"
    home.mkdir(mode=0o700, exist_ok=True)
    log = home / "server.log"
    command: list[str | Path] = [find_valkey(), "--port", "0", "--dir", home]
    command += ["--unixsocket", path, "--unixsocketperm", "700", "--save", ""]
    command += ["--appendonly", "yes" if durable else "no"]
    path.unlink(missing_ok=True)
    with log.open("ab") as output:
        process = start_process(
            "valkey", command, output=output, death_signal=signal.SIGTERM
        )
    wait_until_ready(lambda: _is_ready(path), process, log)
    return process, name_valkey(folders)


def name_valkey(folders: ServerFolders) -> str:
    """Return the URL of the folder's Valkey, whether it runs or not."""
    return f"unix://{quote(str(folders.sockets / SOCKET))}"


def _is_ready(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

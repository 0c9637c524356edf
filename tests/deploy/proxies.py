"""A real nginx with the shipped configuration, on ports of its own."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.launcher.folders import ROOT
from config.launcher.processes import Process, start_process
from tests.config.launching import find_free_port, wait_until

HOST = "casefile.example.org"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
FRAME = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/casefile.conf;
}}
"""


def require_nginx() -> str:
    """Return nginx's path, or skip the test and say what is missing."""
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian: apt install nginx-light)")
    return NGINX


def place_configuration(folder: Path, webs: list[int]) -> int:
    """Write the shipped configuration for these webs; return the port of TLS.

    Only what differs between machines is changed: ports, certificates, the webs.
    """
    secure, plain = find_free_port(), find_free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    line = "    server 127.0.0.1:8000 max_fails=0;\n"
    changes = {
        line: "".join(line.replace("8000", str(web)) for web in webs),
        "listen 443 ssl;": f"listen 127.0.0.1:{secure} ssl;",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "/etc/ssl/casefile/fullchain.pem": f"{folder}/cert.pem",
        "/etc/ssl/casefile/privkey.pem": f"{folder}/key.pem",
    }
    for old, new in changes.items():
        assert text.count(old) == 1, f"deploy/nginx.conf has no single {old!r}"
        text = text.replace(old, new)
    assert not re.search(r"listen \d+(;| ssl)", text), "a port of the machine is left"
    (folder / "casefile.conf").write_text(text)
    (folder / "nginx.conf").write_text(FRAME.format(folder=folder, user=_user()))
    make_certificate(folder)
    return secure


def _user() -> str:
    """Keep root's workers root: nobody else may write into a test's folder."""
    return "user root;" if os.geteuid() == 0 else ""


def make_certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    command += ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    subprocess.run(command, check=True, capture_output=True)


def check_configuration(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `nginx -t` on what was placed."""
    command = [require_nginx(), "-t", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
    return subprocess.run(command, capture_output=True, text=True)


def start_proxy(folder: Path) -> Process:
    """Start nginx as it was placed there."""
    command = [require_nginx(), "-p", str(folder), "-c", f"{folder}/nginx.conf"]
    with (folder / "nginx.log").open("ab") as output:
        return start_process("nginx", command, output=output)


def connect(port: int, *, seconds: float) -> http.client.HTTPSConnection:
    """Return a connection to the proxy, whose certificate nobody has signed."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(
        "127.0.0.1", port, timeout=seconds, context=context
    )


@contextmanager
def running_proxy(folder: Path, webs: list[int]) -> Iterator[int]:
    """Run nginx before these webs; yield its port."""
    port = place_configuration(folder, webs)
    proxy = start_proxy(folder)
    try:
        wait_until((folder / "nginx.pid").exists)
        yield port
    finally:
        proxy.stop()

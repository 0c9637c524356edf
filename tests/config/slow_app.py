"""A WSGI application that hangs everywhere but at its probes."""

import time
from collections.abc import Callable, Iterable
from typing import Any

PROBES = ("/healthz", "/readyz", "/quick")
HANGS_SECONDS = 30


def application(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    if environ["PATH_INFO"] not in PROBES:
        time.sleep(HANGS_SECONDS)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

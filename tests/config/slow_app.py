"""A WSGI application that hangs everywhere but at its probes and its measures."""

import gc
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.call_edges import worst_faults

PROBES = ("/healthz", "/readyz", "/quick")
MEASURES = {"/faults": worst_faults, "/left-alone": gc.get_freeze_count}
HANGS_SECONDS = 30
BRIEF_SECONDS = 6


def application(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    if measure := MEASURES.get(environ["PATH_INFO"]):
        figure = str(measure()).encode()
        start_response("200 OK", [("Content-Length", str(len(figure)))])
        return [figure]
    if environ["PATH_INFO"] not in PROBES:
        is_brief = environ["PATH_INFO"] == "/brief"
        time.sleep(BRIEF_SECONDS if is_brief else HANGS_SECONDS)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

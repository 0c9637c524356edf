"""Logs: one line per event, with its ids, and without what variables held."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import logging, logging.config, sys
import structlog
from config.logs import make_logging

logging.config.dictConfig(make_logging(level="INFO", as_json=sys.argv[1] == "json"))
structlog.contextvars.bind_contextvars(request_id="r-1", task_id="t-1")
structlog.get_logger("ours").info("sealed", item=7)
logging.getLogger("theirs").warning("%s of %s", 1, 2)

def fail():
    token = "-".join(("a", "very", "secret", "value"))
    raise ValueError("broken")

try:
    fail()
except ValueError:
    logging.getLogger("theirs").exception("it failed")
"""


def write_logs(style: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, style],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stderr


def test_json_logs_hold_ids_for_ours_and_for_other_loggers() -> None:
    sealed, counted, failed = map(json.loads, write_logs("json").splitlines())
    assert (sealed["event"], sealed["item"], sealed["level"]) == ("sealed", 7, "info")
    assert counted["event"] == "1 of 2"
    for line in (sealed, counted, failed):
        assert (line["request_id"], line["task_id"]) == ("r-1", "t-1")
        assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("style", ["json", "console"])
def test_tracebacks_name_the_error_and_no_variables(style: str) -> None:
    written = write_logs(style)
    assert "ValueError" in written
    assert "broken" in written
    assert "fail" in written
    assert "a-very-secret-value" not in written


def test_a_refused_page_is_one_line(outsider: User, client: Client) -> None:
    client.force_login(outsider)
    handler = next(
        handler for handler in logging.root.handlers if handler.name == "stderr"
    )
    assert isinstance(handler, logging.StreamHandler)
    earlier = handler.setStream(written := io.StringIO())
    try:
        assert client.get("/admin/incidents/incident/").status_code == 403
        assert client.get("/api/v1/incidents/").status_code == 403
    finally:
        handler.setStream(earlier)
    lines = written.getvalue().splitlines()
    assert len(lines) == 2, lines
    assert all("403" in line for line in lines)

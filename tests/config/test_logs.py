"""Logs: one line per event, with its ids, and without what variables held."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from config.logs import make_logging

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


def test_djangos_own_lines_of_a_request_have_its_id(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Django tells of an answer of 503 after the request's own context has ended."""
    settings.ROOT_URLCONF = "tests.config.test_refusals"
    client.raise_request_exception = False
    handler = next(
        handler for handler in logging.root.handlers if handler.name == "stderr"
    )
    assert isinstance(handler, logging.StreamHandler)
    style = make_logging(level="INFO", as_json=True)["formatters"]["structured"]
    plain = {name: value for name, value in style.items() if name != "()"}
    monkeypatch.setattr(
        handler, "formatter", structlog.stdlib.ProcessorFormatter(**plain)
    )
    earlier = handler.setStream(written := io.StringIO())
    try:
        assert client.get("/pages/store/").status_code == 503
        assert client.get("/pages/fault/").status_code == 500
    finally:
        handler.setStream(earlier)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    django = [line for line in lines if line["logger"] == "django.request"]
    assert len(django) == 2, lines
    assert all(line.get("request_id") for line in django), django
    # Two requests, two ids.
    assert len({line["request_id"] for line in django}) == 2


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

"""The commands, run as a user runs them: another process, no database, no settings."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evidence.format import read_document

from .vectors import FOLDER, NAMES, expected, only_members_of

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[3]
UNSET = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if name not in UNSET}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *map(str, arguments)],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_json_gives_one_line_for_each_file_in_order():
    names = [name for name in NAMES if "source" not in expected(name)]
    files = [f"{name}.json" if name != "big" else "big.json.gz" for name in names]
    done = run("verify_evidence", *files, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == files
    for name, line in zip(names, lines, strict=True):
        wanted = expected(name)
        if wanted["kind"] == "refused":
            assert set(line) == {"file", "refused"}
            assert line["refused"]["path"] == wanted["path"]
            assert set(line["refused"]) == {"path", "code", "message"}
        else:
            assert set(line) == {"file", "kind", "report"}
            assert only_members_of(wanted, line) == wanted
    assert done.returncode == 2
    assert done.stderr == ""


def test_exit_status_tells_the_worst():
    assert run("verify_evidence", "plain.json", "ledger-plain.json").returncode == 0
    assert run("verify_evidence", "plain.json", "replay-lies.json").returncode == 1
    assert run("verify_evidence", "nowhere.json", "plain.json").returncode == 2


def test_source_is_used():
    done = run(
        "verify_evidence",
        "leak-raw-value.json",
        "--source",
        "leak.source.json",
        "--json",
    )
    wanted = expected("leak-raw-value")
    wanted.pop("source")
    assert only_members_of(wanted, json.loads(done.stdout)) == wanted


def test_report_for_people_names_steps_break_and_faults():
    done = run("verify_evidence", "corrupt-one-entry.json", "refused-array.json")
    assert "corrupt-one-entry.json: bundle, Failed verification" in done.stdout
    assert "ledger_chain    FAIL" in done.stdout
    assert "at index 37" in done.stdout
    assert "hash_mismatch" in done.stdout
    assert "refused-array.json: Refused at $" in done.stdout


def test_report_cannot_steer_the_terminal(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'{"\\u001b[2J": 1, "\\u001b[2J": 2}')
    done = run("verify_evidence", path)
    assert "\x1b" not in done.stdout
    assert done.returncode == 2


def test_unreadable_source_ends_the_command():
    done = run("verify_evidence", "plain.json", "--source", "nowhere.json")
    assert done.returncode == 2
    assert "The --source nowhere.json cannot be used: cannot be read" in done.stderr


def test_build_gives_the_expected_bundle_packed_or_not(tmp_path):
    scope = json.dumps(
        read_document((FOLDER / "filtered-time.json").read_bytes())["filter"]
    )
    for name in ("built.json", "built.json.gz"):
        done = run(
            *("build_evidence", "filtered-time.source.json", "--filter", scope),
            *("--redaction", "none", "--generated-at-ms", 1787011200000),
            *("-o", tmp_path / name),
        )
        assert done.returncode == 0, done.stderr
        assert expected("filtered-time")["report"]["bundle_hash"] in done.stdout
    packed = (tmp_path / "built.json.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "built.json").read_bytes()
    assert run("verify_evidence", tmp_path / "built.json.gz").returncode == 0


def test_build_warns_of_what_redaction_leaves(tmp_path):
    done = run(
        *(
            "build_evidence",
            "leak.source.json",
            "--filter",
            "{}",
            "--redaction",
            "full",
        ),
        *("--generated-at-ms", 1787011200000, "-o", tmp_path / "built.json"),
    )
    assert expected("leak-name-spelled")["report"]["bundle_hash"] in done.stdout
    assert "name_spelled at $.security_alerts[2].summary" in done.stderr


def test_build_refuses_bad_arguments_by_name_and_writes_nothing(tmp_path):
    output = tmp_path / "built.json"
    sound = {
        "source": "leak.source.json",
        "--filter": "{}",
        "--redaction": "full",
    }
    for name, value, message in (
        ("--filter", '{"min_severity": "bad"}', "$.min_severity"),
        ("--filter", "{", "not JSON"),
        ("--redaction", "redact_everything", "redact_params_hash"),
        ("source", "refused-truncated.json", "refused-truncated.json"),
        ("source", "nowhere.json", "cannot be read"),
    ):
        given = sound | {name: value}
        done = run(
            *("build_evidence", given["source"], "--filter", given["--filter"]),
            *("--redaction", given["--redaction"], "--generated-at-ms", 1),
            *("-o", output),
        )
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not output.exists()

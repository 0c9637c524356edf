"""A pull while others write ends with exactly the rows of the database."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from evidence.accounts.tokens import create_token
from evidence.models import AuditEntry, RecordedRow
from evidence.pulling import PullFailed, pull_everything
from incidents.models import Incident, Team, TimelineEntry
from incidents.services.teams import save_team
from tests.factories import make_incident

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token(auditor: User, settings: Any) -> str:
    settings.API_RATES_PER_MINUTE = {**settings.API_RATES_PER_MINUTE, "read": 100_000}
    return create_token(
        user=auditor, name="a pull", scopes=["read"], days=1, actor=None
    )[1]


def pull(live_server: Any, token: str, folder: Path, *names: str) -> dict[str, int]:
    found = pull_everything(
        url=live_server.url, token=token, folder=folder, only=names or None
    )
    return {pulled.name: pulled.rows for pulled in found}


def newest_lines(folder: Path, name: str, key: str = "id") -> dict[Any, Any]:
    """Return the last line of each row."""
    lines = (folder / f"{name}.ndjson").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return {row[key]: row for row in rows}


def write_until(ended: threading.Event) -> None:
    """Open cases, change teams, and commit late what was begun early."""
    try:
        slow = connection.copy()
        slow.set_autocommit(False)
        number = 0
        while not ended.is_set() and number < 40:
            number += 1
            with slow.cursor() as cursor:
                name = f"late {number}"
                cursor.execute("INSERT INTO incidents_team (name) VALUES (%s)", [name])
            make_incident(title=f"case {number}")
            save_team(actor=None, name=f"team {number}", members=[])
            Team.objects.filter(name=f"team {number - 1}").update(name=f"was {number}")
            slow.commit()
        slow.close()
    finally:
        connection.close()


def test_a_pull_while_others_write_ends_with_exactly_the_rows(
    live_server: Any, token: str, tmp_path: Path
) -> None:
    make_incident()
    ended = threading.Event()
    writer = threading.Thread(target=write_until, args=(ended,))
    writer.start()
    names = ("incidents", "teams", "timeline", "audit-entries", "recorded-rows")
    try:
        for _ in range(3):
            pull(live_server, token, tmp_path, *names)
    finally:
        ended.set()
        writer.join()
    pull(live_server, token, tmp_path, *names)
    assert Team.objects.filter(name__startswith="late").exists()
    teams = {row["id"]: row["name"] for row in newest_lines(tmp_path, "teams").values()}
    assert teams == dict(Team.objects.values_list("id", "name"))
    for name, model in (
        ("incidents", Incident),
        ("timeline", TimelineEntry),
        ("recorded-rows", RecordedRow),
    ):
        ids = set(model._default_manager.values_list("pk", flat=True))
        assert set(newest_lines(tmp_path, name)) == ids
    hashes = set(AuditEntry.objects.values_list("entry_hash", flat=True))
    assert set(newest_lines(tmp_path, "audit-entries", "entry_hash")) == hashes


@pytest.mark.walk
def test_a_second_pull_adds_what_changed(
    live_server: Any, token: str, tmp_path: Path
) -> None:
    case = make_incident()
    first = pull(live_server, token, tmp_path)
    assert first["incidents"] == 1
    assert first["phases"] == case.cycles.get().phases.count()
    Incident.objects.filter(pk=case.pk).update(title="Another")
    assert pull(live_server, token, tmp_path, "incidents")["incidents"] == 1
    assert newest_lines(tmp_path, "incidents")[case.pk]["title"] == "Another"


def test_the_loop_of_the_document_pulls_a_list(
    live_server: Any, token: str, tmp_path: Path
) -> None:
    document = (Path(__file__).parents[2] / "docs/api.md").read_text()
    script = document.partition("```sh\n")[2].partition("```")[0]
    assert "curl" in script
    make_incident()
    environment = {**os.environ, "CASEFILE": live_server.url, "TOKEN": token}
    for _ in range(2):
        Team.objects.create(name=f"team {Team.objects.count()}")
        subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, check=True)
        ids = set(TimelineEntry.objects.values_list("pk", flat=True))
        assert set(newest_lines(tmp_path, "timeline")) == ids
        assert (tmp_path / "timeline.as_of").read_text().strip()
        make_incident()


def test_what_was_cut_off_is_taken_back_and_pulled_again(
    live_server: Any, token: str, tmp_path: Path
) -> None:
    Team.objects.create(name="first")
    pull(live_server, token, tmp_path, "teams")
    with (tmp_path / "teams.ndjson").open("a") as out:
        out.write('{"id": 1, "na')  # As a pull that was killed would leave it.
    Team.objects.create(name="second")
    pull(live_server, token, tmp_path, "teams")
    rows = newest_lines(tmp_path, "teams").values()
    assert [row["name"] for row in rows] == ["first", "second"]


def test_a_mark_of_another_database_is_refused_in_words(
    live_server: Any, token: str, tmp_path: Path
) -> None:
    pull(live_server, token, tmp_path, "teams")
    mark = tmp_path / "teams.mark"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "since": "x"}))
    with pytest.raises(PullFailed, match="Read everything again"):
        pull(live_server, token, tmp_path, "teams")


def test_the_command_tells_how_many_rows_came(
    live_server: Any, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Team.objects.create(name="first")
    out = StringIO()
    monkeypatch.delenv("CASEFILE_TOKEN", raising=False)
    with pytest.raises(CommandError, match="CASEFILE_TOKEN"):
        call_command("pull_records", live_server.url, tmp_path)
    monkeypatch.setenv("CASEFILE_TOKEN", token)
    call_command("pull_records", live_server.url, tmp_path, list=["teams"], stdout=out)
    assert out.getvalue() == "teams: 1 rows\n"
    monkeypatch.setenv("CASEFILE_TOKEN", "cf_" + "0" * 64)
    with pytest.raises(CommandError, match="401"):
        call_command("pull_records", live_server.url, tmp_path)
    with pytest.raises(CommandError, match="does not answer"):
        call_command("pull_records", "http://127.0.0.1:9", tmp_path)


def test_a_folder_that_cannot_be_written_is_told(
    live_server: Any, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEFILE_TOKEN", token)
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(CommandError, match="taken cannot be written"):
        call_command("pull_records", live_server.url, str(taken))

"""Taking a snapshot and importing a record from the command line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from evidence.models import Channel
from incidents.models import Incident
from policy.models import PolicySnapshot, RuntimeHistoryImport


def test_a_snapshot_is_taken_from_files(incident: Incident, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"extensionPolicy": {"profile": "permissive"}}')
    out = io.StringIO()
    call_command(
        "take_policy_snapshot", settings, incident=incident.reference, stdout=out
    )
    assert "exec: allow (permissive)" in out.getvalue()
    snapshot = PolicySnapshot.objects.get()
    assert snapshot.settings_item.channel == Channel.COMMAND


def test_what_is_wrong_is_said(incident: Incident, tmp_path: Path) -> None:
    broken = tmp_path / "settings.json"
    with pytest.raises(CommandError, match="could not be read"):
        call_command("take_policy_snapshot", broken, incident=incident.reference)
    broken.write_text("{")
    with pytest.raises(CommandError):
        call_command("take_policy_snapshot", broken, incident=incident.reference)
    with pytest.raises(CommandError, match="no case"):
        call_command("take_policy_snapshot", broken, incident="SEC-INC-2020-0001")


def test_a_record_is_imported(incident: Incident, tmp_path: Path) -> None:
    record = tmp_path / "trust.jsonl"
    record.write_text('{"extension":"e","from":"quarantined","to":"active","time":1}')
    out = io.StringIO()
    call_command(
        "import_runtime_history", record, incident=incident.reference, stdout=out
    )
    assert "line 1: quarantine_escape" in out.getvalue()
    assert RuntimeHistoryImport.objects.get().refused_count == 1

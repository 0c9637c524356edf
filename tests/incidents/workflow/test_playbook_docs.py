"""The example of docs/playbooks.md is a playbook, and no member goes unexplained."""

from __future__ import annotations

import re
from pathlib import Path

import incidents
from incidents.workflow.playbook_document import parse_playbook
from incidents.workflow.playbook_schema import PLAYBOOK_SCHEMA
from tests.incidents.workflow.test_playbooks import SHARED_KEYS

DOCUMENT = Path(incidents.__file__).parent.parent / "docs" / "playbooks.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_example_is_read() -> None:
    (example,) = re.findall(r"```yaml\n(schema:.*?)```", TEXT, flags=re.DOTALL)
    playbook = parse_playbook(example, file_name="example.yaml")
    assert playbook.code == "TEAM-1"


def test_every_member_of_an_item_is_explained() -> None:
    item = PLAYBOOK_SCHEMA["properties"]["checklist"]["items"]
    members = set(item["properties"])
    members |= set(item["properties"]["expects"]["properties"])
    members |= set(item["properties"]["choices"]["items"]["properties"])
    assert {member for member in members if f"`{member}`" not in TEXT} == set()


def test_shared_keys_are_listed() -> None:
    assert [key for key in SHARED_KEYS if f"`{key}`" not in TEXT] == []

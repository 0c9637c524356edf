"""Every template is one that the engine can read, before a page asks for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template.loader import get_template

ROOT = Path(__file__).resolve().parent.parent
LONGEST_LINE = 120
MOST_LINES = 110  # more: give a card of the page a partial of its own
WRITTEN = re.compile(r"{{ [^}]+ }}")
VAGUE = re.compile(r"{%\s*(?:for|with) (?:one|it|x)\b")
DRAWN_FORM = re.compile(r"{% for field in (\w*form)(?:\.visible_fields)? %}")
"""A form whose fields a template draws itself."""
FOLDERS = sorted(ROOT.glob("*/templates"))
TEMPLATES = [
    (folder, path.relative_to(folder))
    for folder in FOLDERS
    for path in sorted(folder.rglob("*.html"))
]


@pytest.mark.parametrize(
    ("folder", "name"), TEMPLATES, ids=[str(name) for _, name in TEMPLATES]
)
def test_template_compiles_with_lines_that_can_be_read(
    folder: Path, name: Path
) -> None:
    get_template(str(name))
    text = (folder / name).read_text()
    lines = text.splitlines()
    assert max(map(len, lines), default=0) <= LONGEST_LINE
    assert len(lines) <= MOST_LINES
    assert not VAGUE.search(text), "say what the loop holds"
    if {"{{ field }}", "{{ field.label }}"} <= set(WRITTEN.findall(text)):
        assert "field.is_hidden" in text, "a hidden field has no label: see _field.html"


@pytest.mark.parametrize(
    ("folder", "name"), TEMPLATES, ids=[str(name) for _, name in TEMPLATES]
)
def test_form_says_what_is_refused_of_no_one_field(folder: Path, name: Path) -> None:
    text = (folder / name).read_text()
    for form in DRAWN_FORM.findall(text):
        told = (f"{form}.non_field_errors", "evidence/actions/_errors.html")
        assert any(each in text for each in told), f"{form}: see actions/_errors.html"

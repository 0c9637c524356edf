"""A name from outside is never written without showing what it hides."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted(
    path
    for app in ("evidence", "policy", "incidents")
    for path in (ROOT / app / "templates").rglob("*.html")
)
NAMES = "original_name|extension_id|actor_name|(?:incident|case)\\.title"
WRITTEN = re.compile(rf"\{{\{{\s*(?:[a-z_]+\.)*(?:{NAMES})(?![a-z_])[^}}]*\}}\}}")
# As it is: where a form sends it back, or a link carries it.
SENT_BACK = re.compile(r"""(?:value="|extension_id=)\s*\Z""")


def test_there_are_templates_to_look_at() -> None:
    found = sum(len(WRITTEN.findall(path.read_text())) for path in TEMPLATES)
    assert found > 20


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_names_are_written_with_what_they_hide(path: Path) -> None:
    text = path.read_text()
    bare = [
        found.group()
        for found in WRITTEN.finditer(text)
        if "show_hidden" not in found.group()
        and "urlencode" not in found.group()
        and not SENT_BACK.search(text[: found.start()])
    ]
    assert not bare

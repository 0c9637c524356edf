"""One table says which tone a state has, and one tag draws it."""

from __future__ import annotations

import operator
import re
from pathlib import Path

import pytest

from evidence.models import Outcome
from evidence.templatetags.casefile import badge
from evidence.tones import NAMES, TONES, tone_of
from tests.test_templates import FOLDERS

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = [path for folder in FOLDERS for path in sorted(folder.rglob("*.html"))]
MODULES = [
    path
    for app in ("config", "evidence", "policy", "incidents")
    for path in sorted((ROOT / app).rglob("*.py"))
    if path.name != "casefile.py"
]
BY_HAND = re.compile(r"""class=\\?["'][^"'>]*\b(?:cf|ev)-badge\b""")
OWN_TABLE = re.compile(
    r"^TONES\b|def tone\(self|tone=\"(?:done|warn|watch|late)\"", re.M
)
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3, for text of the usual size
TONE_BY_LOGIC = re.compile(r"""data-tone="[^"{]*\{%""")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_draws_states_by_the_badge_tag_alone(path: Path) -> None:
    text = path.read_text()
    assert not BY_HAND.findall(text)
    assert not TONE_BY_LOGIC.findall(text)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_module_draws_a_badge_of_its_own(path: Path) -> None:
    text = path.read_text()
    assert not BY_HAND.findall(text)
    assert path.name == "tones.py" or not OWN_TABLE.findall(text)


def test_every_tone_of_the_table_has_a_colour_in_both_themes() -> None:
    styles = (ROOT / "evidence/static/evidence/casefile.css").read_text()
    for tone in set(TONES.values()) - {"quiet"}:
        assert f'\n:is(.cf, .ev-page) [data-tone="{tone}"]' in styles
        assert f'html.dark :is(.cf, .ev-page) [data-tone="{tone}"]' in styles
    assert set(TONES.values()) <= NAMES


def _luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    ]
    return sum(map(operator.mul, (0.2126, 0.7152, 0.0722), linear))


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("theme", "page"), [(":root", "#ffffff"), (".dark", "#0f172a")]
)
def test_every_text_colour_is_readable_on_every_ground(theme: str, page: str) -> None:
    styles = (ROOT / "evidence/static/evidence/evidence.css").read_text()
    block = styles[styles.index(f"{theme} {{") :].partition("}")[0]
    colours = dict(re.findall(r"--ev-([\w-]+): (#[0-9a-f]{6});", block))
    grounds = {name: value for name, value in colours.items() if name.endswith("-soft")}
    texts = {name: colours[name] for name in colours.keys() - grounds - {"border"}}
    assert grounds
    assert "accent" in texts
    faint = {
        (text, ground)
        for text, ink in texts.items()
        for ground, paper in (grounds | {"page": page}).items()
        if _contrast(ink, paper) < LEAST_CONTRAST
    }
    assert not faint


@pytest.mark.parametrize(
    ("state", "kind", "tone"),
    [
        (Outcome.VERIFIED, "", "done"),
        (Outcome.DIGEST_ONLY, "", "quiet"),
        (Outcome.FAILED, "", "late"),
        (Outcome.UNFINISHED, "", "warn"),
        ("ordered", "", "warn"),
        ("ready on order", "", "warn"),
        ("confirmed", "kill all", "waived"),
        ("printed", "", "watch"),
        ("closed", "", "quiet"),
        ("evidence", "line", "quiet"),
        ("open", "item", "quiet"),
        ("a state that nobody knows", "", "quiet"),
        ("", "", "quiet"),
    ],
)
def test_a_state_is_green_only_where_something_checked_it(
    state: str, kind: str, tone: str
) -> None:
    assert tone_of(state, kind) == tone


def test_words_and_names_of_a_badge_are_escaped() -> None:
    hostile = '"><script>'
    shown = badge(hostile, hostile, title=hostile, icon=hostile)
    assert "<script>" not in shown

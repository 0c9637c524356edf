"""The picture of what happened in a postmortem: in words, drawn, and left out. Pure."""

from __future__ import annotations

from typing import Any

from incidents.picture.layout import lay_out
from incidents.picture.model import Band, Gap, Lane, Mark, Picture, Shade, Window
from incidents.picture_pdf import TALLEST, PictureFlowable
from incidents.postmortem_pdf import PLAIN, writable, write_pdf
from incidents.workflow.postmortem_markdown import render_postmortem
from tests.incidents.postmortem.test_documents import FACTS, HOSTILE, make_content

BEGUN = 1_773_144_000_000
WINDOW = Window(BEGUN, BEGUN + 60_000)
KILLS = Lane(
    "kills",
    "Kill switches",
    bands=(
        Band(BEGUN + 1_000, BEGUN + 9_000, "ordered", "", "kill ordered", True),
        Band(BEGUN + 9_000, None, "confirmed", "", f"in effect {HOSTILE}"),
    ),
)
CALLS = Lane(
    "executed",
    "Hostcalls executed",
    (Mark(BEGUN + 5_000, BEGUN + 5_000, "executed", "call", "1 call executed"),),
    gaps=(Gap(BEGUN, BEGUN + 2_000, "no record"),),
    line=((BEGUN + 3_000, 0.5), (BEGUN + 4_000, 0.75)),
)
SHADE = Shade(BEGUN + 30_000, BEGUN + 60_000, "Untrusted: a.json", ("executed",))
PICTURE = Picture(WINDOW, (KILLS, CALLS), (SHADE,), ("b.json is not drawn.",))


def make(picture: Picture | None) -> dict[str, Any]:
    facts = {**FACTS, "picture": picture.as_json() if picture else None}
    content: dict[str, Any] = make_content(facts=facts)
    return content


def test_markdown_says_in_a_table_what_is_drawn() -> None:
    text = render_postmortem(make(PICTURE), sha256_hex="0" * 64)
    part = text.split("### What happened\n")[1].split("### ")[0]
    assert "From 2026-03-10 12:00:00 UTC to 2026-03-10 12:01:00 UTC" in part
    for words in ("kill ordered", "| still |", "no record", "Untrusted: a.json"):
        assert words in part
    assert "b.json is not drawn." in part
    assert "<script>" not in part


def test_version_without_a_picture_has_no_such_part() -> None:
    for content in (make(None), make_content()):
        assert "What happened" not in render_postmortem(content, sha256_hex="0" * 64)
        assert write_pdf(content, sha256_hex="0" * 64).startswith(b"%PDF")


def test_pdf_draws_it_and_the_same_each_time() -> None:
    first, again = (write_pdf(make(PICTURE), sha256_hex="0" * 64) for _ in range(2))
    moved = Picture(WINDOW, (KILLS,), (SHADE,), PICTURE.notes)
    assert first == again
    assert first != write_pdf(make(moved), sha256_hex="0" * 64)


def test_what_people_write_draws_no_second_one() -> None:
    content = make(PICTURE)
    content["sections"]["summary"] = "### What happened\n\nA lot."
    text = render_postmortem(content, sha256_hex="0" * 64)
    assert text.count("\n### What happened\n") == 1


def test_drawing_fits_a_page_however_many_lanes() -> None:
    lanes = tuple(Lane(f"lane-{n}", f"Lane {n}", line=CALLS.line) for n in range(90))
    drawn = PictureFlowable(Picture(WINDOW, lanes), font=PLAIN, write=writable)
    _, height = drawn.wrap(500, 700)
    assert height <= TALLEST + 0.1 < lay_out(Picture(WINDOW, lanes)).height

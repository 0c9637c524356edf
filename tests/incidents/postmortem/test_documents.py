"""The document: its hash, Markdown and PDF, and the comparison of versions. Pure."""

import json

import pytest
from markdown_it import MarkdownIt

from evidence.format import hash_value
from incidents.postmortem_pdf import writable, write_pdf
from incidents.workflow.errors import MoveError
from incidents.workflow.postmortem import (
    SECTION_KEYS,
    SECTIONS,
    PostmortemError,
    PostmortemState,
    build_content,
    canonical_text,
    clean_sections,
    content_sha256,
    describe_offset,
    missing_sections,
    require_postmortem_move,
)
from incidents.workflow.postmortem_diff import compare_sections
from incidents.workflow.postmortem_markdown import plain, render_postmortem, tame

HOSTILE = (
    "<script>alert(1)</script> | [x](javascript:alert(2)) ![i](http://h/i.png) `c` # h"
)
FACTS = {
    "gathered_at": "2026-03-10T13:00:00Z",
    "incident": {
        "reference": "SEC-INC-2026-0001",
        "title": HOSTILE,
        "class": "INC-2",
        "class_title": "Secret Exposure",
        "playbook_version": 1,
        "severity": "high",
        "source": "manual",
        "detected_at": "2026-03-10T12:00:00Z",
        "reported_at": "2026-03-10T12:00:05Z",
        "cycle": 1,
        "lead": "responder",
        "team": "",
        "labels": [],
        "extensions": ["ext.weather"],
        "tickets": [],
    },
    "phases": [
        {
            "phase": "contain",
            "started_at": "2026-03-10T12:00:00Z",
            "due_at": "2026-03-10T12:05:00Z",
            "due_reason": "",
            "completed_at": "2026-03-10T12:06:00Z",
            "completed_by": "responder",
            "breached_at": "2026-03-10T12:05:00Z",
            "seconds": 360,
            "waivers": [
                {
                    "condition": "isolation-verified",
                    "by": "reviewer",
                    "reason": HOSTILE,
                }
            ],
        }
    ],
    "timeline": [
        {
            "id": 1,
            "offset_seconds": 272,
            "event_at": "2026-03-10T12:04:32Z",
            "entered_at": "2026-03-10T12:04:32Z",
            "kind": "note",
            "phase": "contain",
            "author": "responder",
            "text": f"line one\n{HOSTILE}",
            "corrects": None,
        }
    ],
    "evidence": [
        {
            "id": 1,
            "name": f"{HOSTILE}.json",
            "kind": "bundle",
            "sha256": "ab" * 32,
            "size_bytes": 12,
            "received_at": "2026-03-10T12:10:00Z",
            "received_by": "responder",
            "outcome": "verified",
            "checked_at": None,
        }
    ],
    "findings": [
        {
            "evidence": "bundle.json",
            "problem": "",
            "key": "k",
            "title": HOSTILE,
            "severity": "error",
            "detail": HOSTILE,
            "playbook_item": "identify-exposure",
            "evidence_refs": [],
            "count": 3,
        }
    ],
    "decisions": [],
    "checklist": [],
    "action_items": [
        {
            "id": 1,
            "text": HOSTILE,
            "type": "corrective",
            "owner": "responder",
            "due_on": "2026-04-01",
            "ticket": "bd-1",
            "ticket_url": "https://tickets.example.org/1",
            "state": "open",
            "outcome": "",
        }
    ],
}
TEXTS = {section.key: f"About {section.title}." for section in SECTIONS}


def make_content(**changes):
    values = {
        "reference": "SEC-INC-2026-0001",
        "cycle": 1,
        "version": 1,
        "sections": TEXTS,
        "facts": FACTS,
        "authors": ["responder", "colleague", "responder"],
        "submitted_by": "responder",
        "submitted_at": "2026-03-10T13:00:00Z",
    }
    return build_content(**{**values, **changes})


def markdown_of(**changes) -> str:
    content = make_content(**changes)
    return render_postmortem(content, sha256_hex=content_sha256(content))


def test_hash_is_that_of_the_canonical_form():
    content = make_content()
    assert content_sha256(content) == hash_value(json.loads(canonical_text(content)))
    assert content["authors"] == ["colleague", "responder"]


@pytest.mark.parametrize("key", SECTION_KEYS)
def test_changing_any_section_changes_the_hash(key):
    changed = make_content(sections={**TEXTS, key: "otherwise"})
    assert content_sha256(changed) != content_sha256(make_content())


@pytest.mark.parametrize("key", list(FACTS))
def test_changing_any_fact_changes_the_hash(key):
    changed = make_content(facts={**FACTS, key: "otherwise"})
    assert content_sha256(changed) != content_sha256(make_content())


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.key)
def test_required_section_cannot_be_left_out(section):
    texts = {**TEXTS, section.key: "  "}
    assert (section in missing_sections(texts)) is section.required
    if section.required:
        with pytest.raises(PostmortemError, match=section.title):
            make_content(sections=texts)


def test_text_is_cleaned_and_what_is_no_text_refused():
    assert clean_sections({"summary": "\na \r\nb\rc\x00\n"})["summary"] == "a\nb\nc�"
    with pytest.raises(PostmortemError, match=r"Summary takes text\. Given: int"):
        clean_sections({"summary": 7})


MOVES = {
    ("draft", "submitted"),
    ("returned", "submitted"),
    ("submitted", "returned"),
    ("submitted", "signed"),
    ("submitted", "draft"),
    ("signed", "draft"),
}


@pytest.mark.parametrize("current", list(PostmortemState))
@pytest.mark.parametrize("target", list(PostmortemState))
def test_every_move_is_listed_or_refused(current, target):
    if (current, target) in MOVES:
        require_postmortem_move(current, target)
    else:
        with pytest.raises(MoveError):
            require_postmortem_move(current, target)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "T+0:00:00"),
        (272, "T+0:04:32"),
        (-10, "T-0:00:10"),
        (93_600, "T+1 d 02:00:00"),
    ],
)
def test_offset_is_written_from_detection(seconds, text):
    assert describe_offset(seconds) == text


def test_markdown_has_every_section_and_every_kind_of_fact():
    text = markdown_of()
    for section in SECTIONS:
        assert f"About {section.title}." in text
    for part in ("T+0:04:32", "ab" * 32, "CONTAIN", "0:06:00 late", "2026-04-01"):
        assert part in text
    assert text.startswith("# Postmortem of SEC-INC-2026-0001")


def tags_of(text: str) -> set[str]:
    """Return the kinds of tokens of a document, read with raw HTML allowed."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table"])
    found = set()
    for token in parser.parse(text):
        found |= {token.type, *(child.type for child in token.children or ())}
    return found


def test_what_the_case_says_is_text_in_the_markdown():
    assert not tags_of(markdown_of()) & {
        "html_inline",
        "html_block",
        "image",
        "link_open",
    }


def test_written_markdown_stays_under_its_heading_without_raw_html():
    text = tame("# Big\n\nBig too\n===\n<img src=x>\n\n```\n# kept <b>\n")
    assert text == (
        "#### Big\n\nBig too\n\\===\n&lt;img src=x>\n\n```\n# kept <b>\n\n```"
    )
    tokens = MarkdownIt("commonmark").parse(text + "\n\n## Next")
    assert [token.tag for token in tokens if token.type == "heading_open"] == [
        "h4",
        "h2",
    ]


def test_task_lists_show_their_boxes():
    assert tame("- [x] done\n- [ ] open\n[x] no item") == (
        "- ☑ done\n- ☐ open\n[x] no item"
    )


def test_cell_is_one_line_whatever_it_holds():
    assert "\n" not in plain("a\n\n| b")
    assert plain("a|b") == "a\\|b"


def test_pdf_is_the_same_bytes_each_time_and_different_for_other_text():
    content = make_content()
    first = write_pdf(content, sha256_hex="0" * 64)
    assert first.startswith(b"%PDF-")
    assert first == write_pdf(content, sha256_hex="0" * 64)
    other = make_content(sections={**TEXTS, "summary": "otherwise"})
    assert first != write_pdf(other, sha256_hex="0" * 64)


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "Δοκιμή, проверка, 試験, العربية, 🙂",
        "- a\n  - b\n    1. c\n\n> quoted\n\n```\ncode <b>\n```",
        "x" * 19_000,
        ("word " * 3_000),
        "<b><i>unclosed & </para>",
        "| a | b |\n|---|---|\n| " + "long " * 2_000 + " | 2 |",
        "|" + " a |" * 8 + "\n|" + "---|" * 8 + "\n|" + ("W" * 1_000 + "|") * 8,
        "|" + " a |" * 40 + "\n|" + "---|" * 40 + "\n|" + "b|" * 40,
        "```\n" + "a line of code\n" * 1_000 + "```",
    ],
    ids=[
        "hostile",
        "scripts",
        "blocks",
        "no-space",
        "long",
        "markup",
        "long-cell",
        "long-cells",
        "wide",
        "code",
    ],
)
def test_pdf_takes_any_text(text):
    content = make_content(sections={**TEXTS, "summary": text, "lessons": text})
    assert write_pdf(content, sha256_hex="0" * 64).startswith(b"%PDF-")


def test_pdf_takes_a_timeline_entry_longer_than_a_page():
    entry = {**FACTS["timeline"][0], "text": "word " * 4_000}
    content = make_content(facts={**FACTS, "timeline": [entry] * 3})
    assert write_pdf(content, sha256_hex="0" * 64).startswith(b"%PDF-")


def test_diff_marks_the_words_that_changed():
    before = {**TEXTS, "summary": "The broker was off.\nSame."}
    after = {**TEXTS, "summary": "The broker was disabled.\nSame.\nMore."}
    by_key = {diff.section.key: diff for diff in compare_sections(before, after)}
    diff = by_key["summary"]
    assert (diff.added, diff.removed) == (2, 1)
    assert [row.kind for row in diff.rows] == ["replaced", "equal", "added"]
    assert [p.text for p in diff.rows[0].old if p.changed] == ["off"]
    assert [p.text for p in diff.rows[0].new if p.changed] == ["disabled"]
    assert not by_key["lessons"].is_changed


def test_diff_leaves_out_lines_far_from_a_change():
    lines = [f"line {number}" for number in range(40)]
    changed = [*lines[:20], "new", *lines[21:]]
    diff = compare_sections(
        {"summary": "\n".join(lines)}, {"summary": "\n".join(changed)}
    )[0]
    kinds = [row.kind for row in diff.rows]
    assert kinds[0] == "skipped"
    assert kinds.count("equal") == 6
    row = next(row for row in diff.rows if row.kind == "replaced")
    assert (row.old_number, row.new_number) == (21, 21)


def test_what_the_font_cannot_write_stands_as_its_name():
    assert writable("ok é Ж 🙂") == "ok é Ж [U+1F642 SLIGHTLY SMILING FACE]"
    assert writable("א") == "[U+05D0 HEBREW LETTER ALEF]"
    assert writable("試") == "[U+8A66 CJK UNIFIED IDEOGRAPH-8A66]"
    assert writable("\u202e") == "[U+202E RIGHT-TO-LEFT OVERRIDE]"

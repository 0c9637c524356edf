"""A PDF's layout: work in line with its length, and an end where it takes too long."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from markdown_it import MarkdownIt

from incidents.models import PostmortemPdf
from incidents.postmortem_pdf import write_pdf
from incidents.postmortem_pdf.paragraphs import is_too_long, text_paragraphs
from incidents.services.postmortems.pdfs import request_pdf, run_pdf
from tests.factories import make_user
from tests.incidents.postmortem.cases import make_postmortem, submit, write
from tests.incidents.postmortem.test_documents import FACTS, make_content

pytestmark = pytest.mark.long

TEXT = "The broker was **off** for `12` minutes; see the ledger, entry 17."


def lay_out(entries: int, **changes: Any) -> None:
    entry = {**FACTS["timeline"][0], "text": TEXT, **changes}
    timeline = [{**entry, "id": number} for number in range(entries)]
    content = make_content(facts={**FACTS, "timeline": timeline})
    write_pdf(content, sha256_hex="0" * 64)


def count_calls(entries: int, **changes: Any) -> int:
    """Return how many functions of Python one layout calls: the same every time."""
    calls = 0

    def note(frame: FrameType, event: str, value: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        lay_out(entries, **changes)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "changes", [{}, {"text": "line\n\n" * 30}], ids=["lines", "paragraphs"]
)
def test_work_grows_in_line_with_the_timeline(changes: dict[str, Any]) -> None:
    lay_out(1)  # Fonts are read once.
    few, more, most = (count_calls(n, **changes) for n in (15, 30, 60))
    first, second = (more - few) / 15, (most - more) / 30
    assert second < first * 1.1


def test_a_text_that_is_written_by_names_is_laid_out_in_pieces() -> None:
    """Each character becomes its name: one paragraph would reach many pages, and be
    measured again on each."""
    names = "\u0645" * 2_500
    (token,) = MarkdownIt("commonmark").parseInline(names)
    assert is_too_long(token)
    pieces = list(text_paragraphs(token, [], 0))
    assert len(pieces) == 3
    said = "".join(piece.getPlainText() for piece in pieces)
    assert said.count("ARABIC LETTER MEEM") == len(names)
    write_pdf(make_content(), sha256_hex="0" * 64, text=f"# {names}")


@pytest.mark.django_db
def test_pdf_that_takes_too_long_is_given_up_at_once_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another try would take as long: a person asks again, when something changed."""

    def run_out(*args: object, **options: object) -> bytes:
        raise SoftTimeLimitExceeded  # As a worker's pool raises it, wherever it is.

    monkeypatch.setattr("incidents.postmortem_pdf.write_pdf", run_out)
    version = submit(write(make_postmortem()))
    pdf = request_pdf(actor=make_user(), version_id=version.pk)
    run_pdf(pdf_id=pdf.pk)
    ended = PostmortemPdf.objects.get(pk=pdf.pk)
    assert ended.state == "gave_up"
    assert "it took longer than a worker has for one task" in ended.failure

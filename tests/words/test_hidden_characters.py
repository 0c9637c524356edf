"""Names with direction and invisible characters are shown for what they are."""

from __future__ import annotations

from django.utils import timezone

from evidence.lookalikes import quote_name
from incidents.markdown import render_markdown
from incidents.models import Notification
from incidents.notification_texts import compose_subject
from incidents.workflow.postmortem_markdown import plain
from policy.services.extensions import note_extension
from tests.factories import make_incident

NAME = "inv\u202egpj.exe"
SHOWN = "inv⟨U+202E⟩gpj.exe"
ENGINEER = "\U0001f469\u200d\U0001f4bb"


def test_a_quoted_name_shows_them_and_stays_one_code() -> None:
    assert quote_name(NAME) == f"`{SHOWN}`"
    assert quote_name("a`b") == "`a'b`"


def test_what_people_write_shows_them_and_keeps_lines_and_emoji() -> None:
    html = render_markdown(f"first {NAME}\r\nsecond {ENGINEER}")
    assert SHOWN in html
    assert "\u202e" not in html
    assert "<br" in html
    assert ENGINEER in html


def test_a_postmortem_shows_them_in_names() -> None:
    assert "U+202E" in plain(NAME)
    assert "\u202e" not in plain(NAME)


def test_mail_shows_them_in_its_subject() -> None:
    now = timezone.now()
    row = Notification(headline=f"{NAME} waits", key="k", send_at=now)
    assert SHOWN in compose_subject(row, now=now)
    assert "\u202e" not in compose_subject(row, now=now)


def test_the_timeline_names_an_extension_as_it_is(db: None) -> None:
    note_extension(extension_id=NAME, seen_in="a bundle", now=timezone.now())
    case = make_incident(extension_ids=(NAME,))
    bodies = " ".join(case.timeline.values_list("body", flat=True))
    assert SHOWN in bodies
    assert "\u202e" not in bodies

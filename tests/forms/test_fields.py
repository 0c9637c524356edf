"""What a field makes of what was typed: zones, skipped hours, line ends, lists."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from evidence.admin.form_fields import (
    CommaField,
    LongTextField,
    NaiveDateTimeField,
    ZonedMixin,
)
from evidence.stored_moments import Span
from evidence.text import tidy_text
from evidence.zones import find_zone


class Moment(ZonedMixin):
    at = NaiveDateTimeField()
    body = LongTextField(required=False, max_length=10)


def moment(at: str, zone: str = "UTC", **others: str) -> Moment:
    return Moment({"at": at, "zone": zone, **others})


@pytest.mark.parametrize(
    "zone",
    [
        *("Europe", "America", "US", "Etc", "Europe/", ".", "CEST", "Mars/Olympus"),
        *("../etc/passwd", "/etc", "\x00", "é" * 60, "posixrules", "Factory"),
    ],
)
def test_what_is_no_zone_is_an_error_at_the_zone_and_nothing_worse(zone: str) -> None:
    form = moment("2026-03-10T12:00", zone)
    assert not form.is_valid()
    assert list(form.errors) == ["zone"]


@pytest.mark.parametrize(
    ("zone", "hour"),
    [
        ("", 12),
        ("UTC", 12),
        ("utc", 12),
        ("Europe/Berlin", 11),
        ("europe/berlin", 11),
        ("Asia/Kathmandu", 6),
        ("Etc/GMT+5", 17),
    ],
)
def test_a_time_is_read_in_the_zone_that_was_typed(zone: str, hour: int) -> None:
    form = moment("2026-03-10T12:00", zone)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["at"].astimezone(dt.UTC).hour == hour


def test_a_zone_typed_as_utc_stays_on_a_form_that_comes_back() -> None:
    form = moment("nonsense", "UTC")
    assert not form.is_valid()
    assert 'value="UTC"' in str(form["zone"])


def test_a_time_that_clocks_skip_is_refused_at_its_field() -> None:
    form = moment("2026-03-29T02:30", "Europe/Berlin")
    assert not form.is_valid()
    assert "skip" in form.errors["at"][0]


def test_of_a_time_that_comes_twice_the_form_asks_which_is_meant() -> None:
    form = moment("2026-10-25T02:30", "Europe/Berlin")
    assert not form.is_valid()
    assert "comes twice" in form.errors["occurrence"][0]
    shown = str(form["occurrence"])
    assert "UTC+0200" in shown
    assert "UTC+0100" in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(("chosen", "hour"), [("first", 0), ("second", 1)])
def test_the_one_that_was_chosen_of_the_two_is_taken(chosen: str, hour: int) -> None:
    form = moment("2026-10-25T02:30", "Europe/Berlin", occurrence=chosen)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["at"].astimezone(dt.UTC).hour == hour


def test_a_time_at_the_edge_of_the_calendar_is_no_server_error() -> None:
    for at in ("0001-01-01T00:00", "9999-12-31T23:59"):
        for zone in ("Europe/Berlin", "America/New_York", "Pacific/Kiritimati"):
            moment(at, zone).is_valid()


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_line_end_counts_once(ending: str) -> None:
    form = moment("2026-03-10T12:00", body=ending.join("abcde") + ending)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["body"] == "a\nb\nc\nd\ne"
    assert tidy_text(ending.join("abc")) == "a\nb\nc"


@pytest.mark.parametrize(
    "words",
    [
        ["a", "b"],
        ["evil,ext"],
        ["evil,ext", "plain"],
        ['say "hi"', "x"],
        ["one, two", 'three "', ","],
        ["ünï"],
    ],
)
def test_words_come_back_as_they_were_whatever_stands_in_them(words: list[str]) -> None:
    field = CommaField(required=False)
    text = field.prepare_value(words)
    assert field.clean(text) == words
    assert not field.has_changed(words, text)


def test_words_are_read_as_people_type_them() -> None:
    field: Any = CommaField(required=False)
    assert field.clean(" a,b ,, c,") == ["a", "b", "c"]
    assert field.has_changed(["a", "b"], "a, c")


def test_a_long_text_is_untouched_by_the_line_ends_of_a_browser() -> None:
    field = LongTextField()
    assert not field.has_changed("one\ntwo", "one\r\ntwo")
    assert field.has_changed("one\ntwo", "one\r\nthree")


def test_a_zone_is_found_by_its_name_alone() -> None:
    found = find_zone("  Europe/berlin ")
    assert found is not None
    assert found.key == "Europe/Berlin"
    assert find_zone("") is None


class Event(ZonedMixin):
    """A time that has passed, beside a text that is needed."""

    at = NaiveDateTimeField(span=Span("what has happened", ahead=dt.timedelta()))
    due = NaiveDateTimeField(span=Span("a due time after now", is_to_come=True))
    body = LongTextField()


def test_times_that_cannot_be_meant_are_named_with_every_other_fault() -> None:
    form = Event({"at": "2999-01-01T00:00", "due": "2001-01-01T00:00", "zone": "UTC"})
    assert sorted(form.errors) == ["at", "body", "due"]
    assert "Give what has happened" in form.errors["at"][0]
    assert "Give a due time after now" in form.errors["due"][0]

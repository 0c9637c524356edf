"""Markup that is made fast is escaped as Django escapes it."""

from __future__ import annotations

from typing import Any

import pytest
from django.template import Context, Template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

from evidence.markup import fill, shown

HOSTILE = "\n\"'<script>&amp;{}{0}\u2028 é"


class Drawn:
    def __html__(self) -> str:
        return "<i>&amp;</i>"


class Written:
    def __str__(self) -> str:
        return HOSTILE


VALUES = (HOSTILE, mark_safe("<b>"), gettext_lazy("<Save>"), Drawn(), Written())
PLAIN = (None, True, 12_000, 1.5)


@pytest.mark.parametrize("value", [*VALUES, *PLAIN])
def test_values_are_escaped_as_by_format_html(value: Any) -> None:
    ours = fill('<a title="{}">{}</a>', value, "x")
    assert ours == format_html('<a title="{}">{}</a>', value, "x")
    assert isinstance(ours, SafeString)


@pytest.mark.parametrize("value", [*VALUES, *PLAIN])
def test_values_are_shown_as_by_a_template(value: Any) -> None:
    assert shown(value) == Template("{{ value }}").render(Context({"value": value}))

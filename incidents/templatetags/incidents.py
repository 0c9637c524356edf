"""Tags of the incident pages: times with their zone, Markdown, tones."""

from __future__ import annotations

import json
from typing import Any

import nh3
from django import template
from django.db import models
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from evidence.markup import fill
from evidence.tones import tone_of
from incidents.markdown import render_markdown
from incidents.notification_texts import page_of
from incidents.phase_views import (
    SOURCE_NAMES,
    PhaseView,
)

register = template.Library()
_INLINE = MarkdownIt("zero").enable(["backticks", "emphasis"])

register.filter("markdown", render_markdown)


@register.filter
def page_path(row: models.Model) -> str:
    """Return the path of the page of any row."""
    return page_of(row._meta.label_lower, row.pk)


@register.filter
def inline_markdown(text: str) -> SafeString:
    """Return one line of a playbook with its code spans and stress, made safe."""
    cleaned = nh3.clean(_INLINE.renderInline(text), tags={"code", "em", "strong"})
    return mark_safe(cleaned)  # noqa: S308  (nh3 has just cleaned it)


@register.filter("clock")
def clock_html(view: PhaseView) -> SafeString:
    """Return a clock in words that the page's script keeps counting."""
    moments, tone = view.tone_moments, tone_of(view.light)
    if not view.is_counting or moments is None:
        return fill('<span class="cf-clock" data-tone="{}">{}</span>', tone, view.words)
    return fill(
        '<span class="cf-clock" data-tone="{}" data-due="{}" data-watch-at="{}" '
        'data-warn-at="{}">{}</span>',
        tone,
        view.phase.due_at.isoformat() if view.phase.due_at else "",
        *(moment.isoformat() for moment in moments),
        view.words,
    )


@register.filter
def source_name(value: str) -> str:
    return SOURCE_NAMES.get(value, value)


@register.filter
def plain_words(value: Any) -> str:
    """Return an identifier in plain words."""
    return str(value).replace("_", " ").replace("-", " ")


@register.filter
def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


@register.filter
def get_key(mapping: dict[Any, Any], key: Any) -> Any:
    return mapping.get(key)

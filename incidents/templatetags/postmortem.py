"""Tags of the postmortem's pages: written Markdown, offsets, moments."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from incidents.markdown import render_markdown
from incidents.workflow.postmortem import describe_offset
from incidents.workflow.postmortem_markdown import TYPE_NAMES, length, show_tasks

register = template.Library()


@register.filter
def written(text: str) -> SafeString:
    """Return what somebody wrote as safe HTML, task lists with their boxes."""
    return render_markdown(show_tasks(text))


@register.filter
def offset(seconds: int) -> str:
    return describe_offset(seconds)


@register.filter
def took(seconds: int | None) -> str:
    return length(seconds)


@register.filter
def type_name(value: str) -> str:
    return TYPE_NAMES.get(value, value)

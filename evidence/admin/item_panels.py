"""What the apps above evidence show on the page of an item.

Evidence stands below the cases and cannot ask them. They register here, once, when
their pages are loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from evidence.models import EvidenceItem


@dataclass(frozen=True)
class Panel:
    """A part of the page: its template, and what that is given as ``panel.shown``."""

    template: str
    shown: Any


PanelMaker = Callable[[HttpRequest, EvidenceItem], Panel | None]
"""Takes an item that the person may see; None: there is nothing to show of it."""

_makers: list[PanelMaker] = []


def show_beside_evidence(maker: PanelMaker) -> None:
    """Have this asked whenever the overview of an item is shown."""
    if maker not in _makers:
        _makers.append(maker)


def make_panels(request: HttpRequest, item: EvidenceItem) -> list[Panel]:
    """Return what is to be shown of an item."""
    panels = [maker(request, item) for maker in _makers]
    return [panel for panel in panels if panel is not None]

"""One picture of what happened: the window that is asked for, drawn."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from evidence.admin.form_fields import NaiveDateTimeField
from evidence.stored_moments import from_ms, to_ms
from incidents.admin.picture_views import view_picture
from incidents.models import Cycle, Incident
from incidents.picture.model import Window
from incidents.services.picture.evidence_lanes import read_sources
from incidents.services.picture.gathering import (
    case_window,
    gather_picture,
    records_window,
)
from incidents.services.policy_records import CaseSwitches

LONGEST_MS = 100 * 366 * 24 * 60 * 60 * 1000
"""A window that no case can fill is a mistake in its year."""


class WindowForm(forms.Form):
    """From when until when; in milliseconds where the picture was dragged over."""

    since = NaiveDateTimeField(label="From", required=False)
    until = NaiveDateTimeField(label="To", required=False)
    from_ms = forms.IntegerField(required=False, widget=forms.HiddenInput)
    to_ms = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """Set `window`; None where nothing is asked for."""
        data = super().clean() or {}
        self.window = None
        if self.errors:
            return data
        begin, end = self._ends(data)
        if begin is None and end is None:
            return data
        if begin is None or end is None:
            raise forms.ValidationError("Give both ends, or neither.")
        try:
            from_ms(begin), from_ms(end)
        except (OverflowError, ValueError):
            raise forms.ValidationError(
                "That is a time that no calendar has."
            ) from None
        if end <= begin:
            raise forms.ValidationError("The end has to come after the beginning.")
        if end - begin > LONGEST_MS:
            raise forms.ValidationError("A hundred years are the most.")
        self.window = Window(begin, end)
        return data

    def _ends(self, data: dict[str, Any]) -> tuple[int | None, int | None]:
        if data.get("from_ms") is not None and data.get("to_ms") is not None:
            return data["from_ms"], data["to_ms"]
        return tuple(
            None if data.get(name) is None else to_ms(timezone.make_aware(data[name]))
            for name in ("since", "until")
        )  # type: ignore[return-value]


def picture_tab(
    request: HttpRequest, incident: Incident, cycle: Cycle, switches: CaseSwitches
) -> dict[str, Any]:
    """Return the picture of the window that the query names, or of the one that fits.

    What is asked for and makes no sense is said beside the fields, and drawn is what
    would be without it.
    """
    now = timezone.now()
    form = WindowForm(request.GET)
    asked = form.window if form.is_valid() else None
    picture = gather_picture(incident, window=asked, now=now)
    return {
        "view": view_picture(picture),
        "window_form": form,
        "window_since": _local(picture.window.from_ms),
        "window_until": _local(picture.window.to_ms),
        "windows": _windows(incident, picture.window),
        "is_narrowed": asked is not None,
    }


def _windows(incident: Incident, shown: Window) -> list[tuple[str, str]]:
    """Return what else can be looked at: the case, the records, all of it."""
    case = case_window(incident, now=timezone.now())
    sources, _ = read_sources(incident)
    records = records_window(sources)
    offered = [("The case", case)]
    if records is not None:
        both = Window(
            min(case.from_ms, records.from_ms), max(case.to_ms, records.to_ms)
        )
        offered += [("The records of the evidence", records), ("Everything", both)]
    length = shown.length_ms
    wider = Window(shown.from_ms - length // 2, shown.to_ms + length // 2)
    offered.append(("Wider", wider))
    return [(label, _query(window)) for label, window in offered]


def _query(window: Window) -> str:
    asked = {"tab": "picture", "from_ms": window.from_ms, "to_ms": window.to_ms}
    return f"?{urlencode(asked)}"


def _local(at_ms: int) -> str:
    """Return a moment as the browser's field for times takes it, in the zone in use."""
    return f"{timezone.localtime(from_ms(at_ms)):%Y-%m-%dT%H:%M:%S}"

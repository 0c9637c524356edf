"""Where the forms of a page stand: a refused one comes back in its place, filled.

Several forms of one kind stand on a page, told apart by what is fixed in each: the
item it answers, the condition it waives. A form sends the name of its place along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.text import slugify

from evidence.admin.page_actions import PageAction, RefusedForm

PLACE_NAME = "place"
AUTOFOCUS = "autofocus"


@dataclass(frozen=True)
class PlacedForm:
    """A form as one place of the page draws it."""

    action: PageAction
    form: forms.Form
    url: str
    place: str
    here: str
    """The address that the form leads back to."""
    fields: list[BoundField]
    refused: RefusedForm | None = None

    @property
    def is_refused(self) -> bool:
        return self.refused is not None

    @property
    def errors(self) -> list[str]:
        """Return what was refused and has no field of its own to stand at."""
        drawn = {field.name for field in self.fields if not field.is_hidden}
        return [
            *(str(error) for error in self.form.non_field_errors()),
            *(
                f"{field.label}: {error}"
                for field in self.form
                if field.name not in drawn
                for error in field.errors
            ),
        ]

    @property
    def takes_focus(self) -> bool:
        """Return whether no field does: what was refused is then where one looks."""
        return not any(AUTOFOCUS in field.field.widget.attrs for field in self.fields)

    @property
    def previews(self) -> list[BoundField]:
        return [
            field
            for field in self.fields
            if getattr(field.field, "preview_template", "")
        ]


class FormPlaces:
    """Draws the forms of one object's page, the refused one where it was sent from."""

    def __init__(
        self, pages: Any, obj: Any, user: Any, *, here: str, refused: RefusedForm | None
    ) -> None:
        self.pages, self.obj, self.user = pages, obj, user
        self.here, self.refused = here, refused
        self.is_placed = False
        self._shared: dict[str, Any] = {}

    def place(
        self,
        key: str,
        *,
        only: str = "",
        leave: str = "",
        need: str = "",
        also: str = "",
        fill: Mapping[str, Any] | None = None,
        fixed: Mapping[str, Any],
    ) -> PlacedForm:
        """Return the form of an action for one place of the page.

        `fixed` are values that this place sends unseen. `only` names the fields that
        it shows, `leave` one that its buttons send, `need` one that has to be filled
        in here; `also` is another action that its buttons can send it to, and `fill`
        holds what the fields start with.
        """
        place = _name_of(key, fixed)
        action = self.pages.page_actions[key]
        refused = self._take_refused({key, also}, place, fixed)
        if refused is not None:
            form = refused.form
        else:
            form = action.form(
                obj=self.obj,
                user=self.user,
                initial={**fixed, **(fill or {})},
                auto_id=f"{place}_%s",
                shared=self._shared,
            )
        for name in fixed:
            if name in form.fields:
                form.fields[name].widget = forms.HiddenInput()
        if need:
            form.fields[need].required = True
        return PlacedForm(
            action=action,
            form=form,
            url=self.pages.action_url(self.obj, key),
            place=place,
            here=self.here,
            fields=_drawn(form, only=only.split(), leave=leave, fixed=fixed),
            refused=refused,
        )

    def unplaced(self) -> PlacedForm | None:
        """Return the refused form where its place is gone from the page."""
        refused = self.refused
        if refused is None or self.is_placed:
            return None
        return PlacedForm(
            action=refused.action,
            form=refused.form,
            url=refused.url,
            place=str(refused.form.data.get(PLACE_NAME, "")),
            here=self.here,
            fields=_drawn(refused.form),
            refused=refused,
        )

    def _take_refused(
        self, keys: set[str], place: str, fixed: Mapping[str, Any]
    ) -> RefusedForm | None:
        refused = self.refused
        if refused is None or self.is_placed or refused.key not in keys:
            return None
        sent_from = refused.form.data.get(PLACE_NAME)
        if sent_from is None:
            # A form that no page of ours drew: the first place that sends the same.
            sent = refused.form.data
            is_here = all(str(sent.get(n, "")) == str(v) for n, v in fixed.items())
        else:
            is_here = sent_from == place
        self.is_placed = is_here
        return refused if is_here else None


def _name_of(key: str, fixed: Mapping[str, Any]) -> str:
    """Return what tells a place from the others of its page, fit for an HTML id."""
    parts = [f"{name}-{value}" for name, value in sorted(fixed.items())]
    return slugify("-".join([key, *parts]).replace(":", "-"))


def focus_refused(fields: list[BoundField]) -> None:
    """Put the cursor at the first field that was refused, or else at the first."""
    shown = [field for field in fields if not field.is_hidden]
    wrong = [field for field in shown if field.errors]
    for field in (wrong or shown)[:1]:
        # A group of buttons or boxes would have as many cursors.
        if not field.use_fieldset:
            field.field.widget.attrs[AUTOFOCUS] = True


def _drawn(
    form: forms.Form,
    *,
    only: list[str] | None = None,
    leave: str = "",
    fixed: Mapping[str, Any] | None = None,
) -> list[BoundField]:
    """Return the fields to draw: those asked for, and each that was refused."""
    drawn = []
    for field in form:
        is_here = not only or field.name in only or field.name in (fixed or {})
        if field.errors or (is_here and field.name != leave):
            drawn.append(field)
    if form.is_bound:
        focus_refused(drawn)
    return drawn

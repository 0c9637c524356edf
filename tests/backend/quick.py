"""Migrating an empty database in half the time, for the template that tests clone.

Django's state makes the classes of a model and of all that it points at anew with each
constraint, index and trigger, though none of them is another then. Here these are
noted in the class that is there: what is sent to the database is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from django.db.migrations.state import ProjectState
from pgtrigger.migrations import AddTrigger, RemoveTrigger

CHANGES_OF_OPTIONS = (
    (ProjectState, "_append_option"),
    (ProjectState, "_remove_option"),
    (AddTrigger, "state_forwards"),
    (RemoveTrigger, "state_forwards"),
)
OPTIONS = ("constraints", "indexes", "triggers")


@contextmanager
def options_in_place() -> Iterator[None]:
    """Let a change of a model's options alone leave the classes of all models be."""
    with ExitStack() as patches:
        for owner, name in CHANGES_OF_OPTIONS:
            change = _without_reload(getattr(owner, name))
            patches.enter_context(patch.object(owner, name, change))
        yield


def _without_reload(change: Callable[..., None]) -> Callable[..., None]:
    @wraps(change)
    def changed(*args: Any) -> None:
        [state] = [arg for arg in args if isinstance(arg, ProjectState)]
        with patch.object(state, "reload_model", _note_options(state)):
            change(*args)

    return changed


def _note_options(state: ProjectState) -> Callable[..., None]:
    def note(app_label: str, model_name: str, delay: bool = False) -> None:
        if "apps" not in state.__dict__:
            return  # No class was made yet.
        meta = state.apps.get_model(app_label, model_name)._meta
        options = state.models[app_label, model_name].options
        for name in OPTIONS:
            setattr(meta, name, list(options.get(name, ())))

    return note

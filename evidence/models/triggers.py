"""Triggers that no session can ask the database to ignore.

django-pgtrigger has each of its trigger functions ask the setting
`pgtrigger.ignore`, which any session may set. Rules that protect history ask nobody:
models use these classes in place of pgtrigger's own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pgtrigger
from django.db.models import Model
from pgtrigger import compiler

from evidence.migrations._triggers_v1 import TriggerSql

if TYPE_CHECKING:
    _Base = pgtrigger.Trigger
else:
    _Base = object


class FirmTriggerSql(TriggerSql):
    """The SQL of a trigger whose function asks no setting and finds our own tables.

    The function's search path puts temporary tables last: a session that makes one
    named like a table of ours cannot have the function read it instead. The template is
    the newest frozen copy that migrations name; to change it, write the next copy.
    """

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """Name the frozen copy, so that migrations import nothing that changes."""
        _, args, kwargs = super().deconstruct()
        return f"{TriggerSql.__module__}.{TriggerSql.__qualname__}", args, kwargs

    @property
    def function_body(self) -> str:
        """What PostgreSQL keeps as the source of the function."""
        return str(self).split("$$")[1]


class FirmTrigger(_Base):
    """What the kinds below share."""

    def compile(self, model: Model) -> compiler.Trigger:
        compiled = super().compile(model)
        kwargs = {
            name: value
            for name, value in compiled.sql.kwargs.items()
            if name != "ignore_func_name"
        }
        return compiler.Trigger(name=compiled.name, sql=FirmTriggerSql(**kwargs))


class Trigger(FirmTrigger, pgtrigger.Trigger):
    """A trigger with a function of its own."""


class Protect(FirmTrigger, pgtrigger.Protect):
    """Refuse an operation."""


class ReadOnly(FirmTrigger, pgtrigger.ReadOnly):
    """Refuse a change of the fields."""


class StateMachine(FirmTrigger, pgtrigger.FSM):
    """Refuse a change of a state that is none of the listed moves."""

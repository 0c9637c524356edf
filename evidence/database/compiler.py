"""Django's compilers, which know the columns of an ordered query by less work.

Django looks for what a query is ordered by among all that it selects, by hash. A column
of a joined table is made anew for each query, and works out what it is equal to from
the signature of its class, in some forty calls: a tenth of a case's page.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql.compiler import (
    SQLAggregateCompiler,
    SQLDeleteCompiler,
    SQLInsertCompiler,
    SQLUpdateCompiler,
)
from django.db.backends.postgresql.compiler import SQLCompiler as DjangosCompiler
from django.db.models.expressions import Col

__all__ = (
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
)


class SQLCompiler(DjangosCompiler):
    def get_order_by(self) -> Any:
        for column, _, _ in self.select or ():
            if type(column) is Col:
                know_identity(column)
        return super().get_order_by()


def know_identity(column: Any) -> None:
    """Keep with a column what it is equal to, as Django would work it out."""
    (alias, target, *output), named = column._constructor_args
    if named or "identity" in vars(column):
        return
    name_of = column._identity
    name = name_of(target)
    same = bool(output) and output[0] is target
    output_name = name if same else name_of(*output) if output else None
    vars(column)["identity"] = (
        Col,
        ("alias", alias),
        ("target", name),
        ("output_field", output_name),
    )

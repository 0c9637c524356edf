"""Whether the database has the tables that this code works with."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib import import_module

from django.apps import apps
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from evidence.errors import HealthFailure, HealthUnknown, HealthWarning

# Others may drop migrations that they have squashed; ours stay.
OUR_APPS = frozenset({"evidence", "policy", "incidents"})
SHOWN = 3
MIGRATE = "run `manage.py migrate` as the owner of the tables"
RENEW = "restart this web with the code that is as new as the database"


def check_schema() -> str:
    """Look whether every migration of this code was applied, and ours no further."""
    try:
        applied = set(MigrationRecorder(connection).applied_migrations())
    except DatabaseError as error:
        raise HealthUnknown("the database does not answer") from error
    shipped = find_shipped()
    missing = shipped - applied
    if missing:
        raise HealthFailure(f"{_describe(missing)} not applied: {MIGRATE}")
    newer = {(app, name) for app, name in applied - shipped if app in OUR_APPS}
    if newer:
        raise HealthWarning(f"{_describe(newer)} applied by newer code: {RENEW}")
    return f"all {len(shipped)} migrations are applied"


@cache
def find_shipped() -> frozenset[tuple[str, str]]:
    """Return the migrations of every app, by label and name; import none of them."""
    return frozenset(
        (app.label, module.name)
        for app in apps.get_app_configs()
        for module in _list_modules(app.label)
        if not module.ispkg and module.name[0] not in "_~"
    )


def _list_modules(app_label: str) -> Iterable[pkgutil.ModuleInfo]:
    name, _ = MigrationLoader.migrations_module(app_label)
    if name is None:
        return ()
    try:
        package = import_module(name)
    except ModuleNotFoundError:
        return ()  # an app without tables
    return pkgutil.iter_modules(getattr(package, "__path__", ()))


def _describe(migrations: Iterable[tuple[str, str]]) -> str:
    names = sorted(".".join(migration) for migration in migrations)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"

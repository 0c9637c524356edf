"""Brings an empty database to the newest migration in a sixth of the time.

A migration is handed classes of all models as they were then. With each of its
operations Django makes those anew that are related to what changes: here nearly all,
for hundreds of operations. Most operations ask for one class. So only that one is made
anew, unless what others refer to has changed; what runs code of its own is handed
classes that are all new, as Django does wherever that was put off.

Only for an empty database: tests/config/test_first_migration.py holds that it becomes
what Django alone makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

Report = Callable[..., Any]


class FirstState(ProjectState):
    """The models as they are while the first migrations run."""

    def clone(self) -> FirstState:
        models = {key: model.clone() for key, model in self.models.items()}
        copied = FirstState(models=models, real_apps=self.real_apps)
        if self._has_classes():
            copied.apps = self.apps.clone()
        copied.is_delayed = self.is_delayed
        return copied

    def reload_model(
        self, app_label: str, model_name: str, delay: bool = False
    ) -> None:
        """Make the class of a model anew, and the others only if they must change."""
        if not self._has_classes():
            return
        if not delay and not self._only_grows(app_label, model_name):
            del self.apps  # All are made anew for who asks next.
            return
        # A class of before may still be known by others: see clear_delayed_apps_cache.
        self.is_delayed = True
        if model_name in self.apps.all_models[app_label]:
            self.apps.unregister_model(app_label, model_name)
        self.apps.render_multiple([self.models[app_label, model_name]])

    def _has_classes(self) -> bool:
        return "apps" in self.__dict__

    def _only_grows(self, app_label: str, model_name: str) -> bool:
        """Tell a new model, or one with another field, from what may touch others."""
        known = self.apps.all_models[app_label].get(model_name)
        if known is None:
            return True
        meta = known._meta
        names = {field.name for field in (*meta.local_fields, *meta.local_many_to_many)}
        return names < set(self.models[app_label, model_name].fields)


def is_empty() -> bool:
    """Return whether the database has no table, so that no migration was applied."""
    return not connection.introspection.table_names()


def migrate_first(report: Report) -> None:
    """Bring an empty database to the newest migrations."""
    executor = MigrationExecutor(connection, report)
    state = FirstState(real_apps=executor.loader.unmigrated_apps)
    executor.migrate(executor.loader.graph.leaf_nodes(), state=state)

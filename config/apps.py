from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import checks as admin_checks
from django.contrib.admin import sites
from django.contrib.admin.apps import SimpleAdminConfig
from django.core import checks
from unfold.apps import BasicAppConfig


class WiringConfig(AppConfig):
    """Loads the Celery application, so that tasks find their broker everywhere."""

    name = "config"
    label = "config"
    verbose_name = "Casefile wiring"
    default = True

    def ready(self) -> None:
        # Importing them makes the one current, and registers the other's check.
        from config import celery, static_files  # noqa: F401


class SkinConfig(BasicAppConfig):
    """The admin's skin, on a site of ours."""

    def ready(self) -> None:
        from config.admin_site import CasefileSite

        admin.site = sites.site = CasefileSite()


class PagesConfig(SimpleAdminConfig):
    """The admin, whose pages are loaded with the addresses or to be checked.

    Django loads them wherever it is set up: half of what starting a worker or a command
    cost, which show no page.
    """

    def ready(self) -> None:
        checks.register(admin_checks.check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check all pages, not only those that something has loaded already."""
    admin.autodiscover()
    return admin_checks.check_admin_app(app_configs, **kwargs)

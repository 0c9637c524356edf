"""The admin's site: what few pages show is looked up by those that show it."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class CasefileSite(UnfoldAdminSite):
    """Asks for the lists of all apps where they are shown, not for every page."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the lists of each app, looked up once the first of them is read.

        Django hands them to every page; the sidebar is ours and shows none of them.
        """
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the sidebar as `navigation.sidebar` makes it, anew for each request.

        The skin copies it, and looks for parts that are still to be worked out.
        """
        made = self._get_config("SIDEBAR", request)["navigation"]
        return list(self._get_value(made, request))

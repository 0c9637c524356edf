"""The incidents app in the admin, by subject."""

from django.contrib import admin

from incidents.admin import (
    alerts,
    cases,
    notifications,
    playbooks,
    teams,
    work_pages,
)

__all__ = ("alerts", "cases", "notifications", "playbooks", "teams", "work_pages")

# Not by the name admin/index.html, which the skin's app would win.
admin.site.index_template = "incidents/start.html"
admin.site.index_title = "Dashboard"

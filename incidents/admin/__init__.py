"""The incidents app in the admin, by subject."""

from django.contrib import admin

from evidence.admin.item_panels import show_beside_evidence
from incidents.admin import (
    action_items,
    alerts,
    archives,
    cases,
    notifications,
    overview_pages,
    playbooks,
    postmortems,
    pruning,
    reach_note,
    teams,
    webhooks,
)
from incidents.admin.item_findings import findings_panel
from incidents.admin.mark_actions import mark_panel

__all__ = (
    "action_items",
    "alerts",
    "archives",
    "cases",
    "notifications",
    "overview_pages",
    "playbooks",
    "postmortems",
    "pruning",
    "reach_note",
    "teams",
    "webhooks",
)

# Not by the name admin/index.html, which the skin's app would win.
admin.site.index_template = "incidents/start.html"
admin.site.index_title = "Dashboard"

show_beside_evidence(mark_panel)
show_beside_evidence(findings_panel)

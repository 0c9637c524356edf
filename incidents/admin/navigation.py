"""The admin's sidebar: what a person may see, in the order of the work."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, get_script_prefix, reverse

from evidence.accounts.access import Role

Entry = tuple[str, str, str, str]
"""Title, icon, URL name and the permission to see it."""

SECTIONS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Cases",
        (
            ("Dashboard", "dashboard", "admin:index", ""),
            (
                "Incidents",
                "local_fire_department",
                "admin:incidents_incident_changelist",
                "incidents.view_incident",
            ),
            (
                "Look into a case",
                "visibility",
                "admin:incidents_incident_look_in",
                "incidents.review_incident",
            ),
            (
                "My open items",
                "checklist",
                "admin:incidents_incident_my_items",
                "incidents.view_incident",
            ),
            (
                "Alerts",
                "notifications",
                "admin:incidents_alert_changelist",
                "incidents.view_alert",
            ),
            (
                "Postmortems",
                "article",
                "admin:incidents_postmortem_changelist",
                "incidents.view_postmortem",
            ),
            (
                "Archives",
                "inventory_2",
                "admin:incidents_casearchive_changelist",
                "incidents.view_casearchive",
            ),
            (
                "Pruning",
                "content_cut",
                "admin:incidents_prunerequest_changelist",
                "incidents.view_prunerequest",
            ),
            (
                "Action items",
                "task_alt",
                "admin:incidents_actionitem_changelist",
                "incidents.view_actionitem",
            ),
            (
                "Notifications",
                "outgoing_mail",
                "admin:incidents_notification_changelist",
                "incidents.view_notification",
            ),
            (
                "My notifications",
                "notifications_active",
                "admin:incidents_notification_preferences",
                "",
            ),
            (
                "Response times",
                "timer",
                "admin:incidents_incident_metrics",
                "incidents.view_incident",
            ),
            ("My sign-ins", "devices", "admin:auth_user_sessions", ""),
            ("My factors", "key", "admin:auth_user_factors", ""),
            ("My tokens", "vpn_key", "admin:auth_user_tokens", ""),
            ("My settings", "tune", "admin:auth_user_settings", ""),
            (
                "Playbooks",
                "menu_book",
                "admin:incidents_playbook_changelist",
                "incidents.view_playbook",
            ),
        ),
    ),
    (
        "Evidence",
        (
            (
                "Evidence items",
                "inventory_2",
                "admin:evidence_evidenceitem_changelist",
                "evidence.view_evidenceitem",
            ),
            (
                "Exports",
                "outbox",
                "admin:evidence_exportrequest_changelist",
                "evidence.view_exportrequest",
            ),
            (
                "Record checks",
                "fact_check",
                "admin:evidence_recordcheck_changelist",
                "evidence.view_recordcheck",
            ),
            (
                "Store faults",
                "heart_broken",
                "admin:evidence_storefault_changelist",
                "evidence.view_storefault",
            ),
            (
                "Audit history",
                "history",
                "admin:evidence_auditentry_changelist",
                "evidence.view_auditentry",
            ),
            (
                "Checkpoints",
                "share",
                "admin:evidence_logcheckpoint_changelist",
                "evidence.view_auditentry",
            ),
        ),
    ),
    (
        "Policy and trust",
        (
            (
                "Extensions",
                "extension",
                "admin:policy_extension_changelist",
                "policy.view_extension",
            ),
            (
                "Kill switches",
                "power_settings_new",
                "admin:policy_killswitch_changelist",
                "policy.view_killswitch",
            ),
            (
                "Policy snapshots",
                "photo_camera",
                "admin:policy_policysnapshot_changelist",
                "policy.view_policysnapshot",
            ),
            (
                "Source scans",
                "radar",
                "admin:policy_scanreport_changelist",
                "policy.view_scanreport",
            ),
            (
                "Runtime histories",
                "manage_history",
                "admin:policy_runtimehistoryimport_changelist",
                "policy.view_runtimehistoryimport",
            ),
            (
                "Quota breaches",
                "memory",
                "admin:policy_quotabreach_changelist",
                "policy.view_quotabreach",
            ),
            (
                "Rollbacks",
                "settings_backup_restore",
                "admin:policy_rollback_changelist",
                "policy.view_rollback",
            ),
        ),
    ),
    (
        "Administration",
        (
            (
                "System",
                "monitor_heart",
                "admin:incidents_incident_system",
                "incidents.add_remindersettings",
            ),
            ("Users", "person", "admin:auth_user_changelist", "auth.view_user"),
            (
                "Roles",
                "shield_person",
                "admin:auth_group_changelist",
                "auth.view_group",
            ),
            (
                "Failed sign-ins",
                "no_accounts",
                "admin:axes_accessfailurelog_changelist",
                "axes.view_accessfailurelog",
            ),
            (
                "Teams",
                "groups",
                "admin:incidents_team_changelist",
                "incidents.change_team",
            ),
            (
                "API tokens",
                "key",
                "admin:evidence_apitoken_changelist",
                "evidence.add_apitoken",
            ),
            (
                "Reminders",
                "alarm",
                "admin:incidents_remindersettings_changelist",
                "incidents.add_remindersettings",
            ),
            (
                "Webhook channels",
                "webhook",
                "admin:incidents_webhookchannel_changelist",
                "incidents.change_webhookchannel",
            ),
            (
                "Alert rules",
                "rule",
                "admin:incidents_alertrule_changelist",
                "incidents.change_alertrule",
            ),
        ),
    ),
)


DAILY: dict[Role, tuple[str, ...]] = {
    Role.RESPONDER: (
        *("Dashboard", "Incidents", "My open items", "Alerts", "Evidence items"),
        *("Extensions", "Kill switches", "Postmortems"),
    ),
    Role.REVIEWER: (
        *("Dashboard", "Incidents", "Postmortems", "Extensions", "Kill switches"),
        *("Rollbacks", "Playbooks"),
    ),
    Role.AUDITOR: (
        *("Dashboard", "Incidents", "Evidence items", "Audit history"),
        *("Postmortems", "Response times"),
    ),
    Role.ADMINISTRATOR: (
        *("Dashboard", "System", "Users", "Teams", "API tokens", "Reminders"),
        *("Webhook channels", "Alert rules", "Audit history"),
    ),
}
"""What a role needs daily; everything else stands behind one entry."""


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what the person's roles need daily, then the rest behind one entry."""
    daily = _daily_titles(request)
    first: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for section, entries in SECTIONS:
        items = [item for entry in entries if (item := _item(request, *entry))]
        first += [item for item in items if item["title"] in daily]
        others = [item for item in items if item["title"] not in daily]
        if others:
            others[0]["heading"] = section
        rest += others
    _mark_active(request.path, [*first, *rest])
    groups: list[dict[str, Any]] = [{"title": "", "items": first}]
    if rest:
        groups.append({"title": "More", "collapsible": True, "items": rest})
    return groups


def _daily_titles(request: HttpRequest) -> frozenset[str]:
    """Return the titles that any of the person's roles needs daily."""
    held = set(request.user.groups.values_list("name", flat=True))
    titles = {name for role, names in DAILY.items() if role in held for name in names}
    return frozenset(titles or DAILY[Role.RESPONDER])


def _mark_active(path: str, items: list[dict[str, Any]]) -> None:
    """Mark the one entry whose address is the longest beginning of the path."""
    index = _address("admin:index", get_script_prefix())
    fitting = [
        item["link"]
        for item in items
        if path.startswith(item["link"]) and (item["link"] != index or path == index)
    ]
    longest = max(fitting, key=len, default=None)
    for item in items:
        item["active"] = item["link"] == longest


def _item(
    request: HttpRequest, title: str, icon: str, name: str, permission: str
) -> dict[str, Any] | None:
    if permission and not request.user.has_perm(permission):
        return None
    try:
        link = _address(name, get_script_prefix())
    except NoReverseMatch:
        return None
    return {"title": title, "icon": icon, "link": link}


@cache
def _address(name: str, prefix: str) -> str:
    """Return the address of a page, kept: below one prefix it never changes."""
    return reverse(name)

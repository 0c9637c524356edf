"""What an intake needs to know of its groups, read at once under their locks."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models.fields.json import KT

from evidence.database.plans import kept_plans
from evidence.stored_moments import to_ms
from incidents.models import Alert, AlertDecision, AlertRule, Incident, PlaybookVersion
from incidents.workflow import alert_rules
from incidents.workflow.alert_grouping import Group, GroupState, KeptAlert, rules_of
from incidents.workflow.alert_rules import AlertSeverity, KeptNotice, OpenCase
from incidents.workflow.incident_states import Severity
from policy.models import Extension
from policy.services.extensions import note_extension

SEEN_IN = "an alert"

# Written out, since to have a query made of models costs more than to ask it.
ENABLED_RULES = """
    SELECT * FROM incidents_alertrule
     WHERE is_enabled AND category = ANY (%s) ORDER BY category, key
"""
# Every version, old ones too: an open case stays on the one it began with.
VERSIONS = """
    SELECT version.id, version.playbook_id, version.content_sha256
      FROM incidents_playbookversion AS version
      JOIN incidents_playbook AS playbook ON playbook.id = version.playbook_id
     ORDER BY playbook.code, version.number DESC
"""
EXTENSIONS = "SELECT * FROM policy_extension WHERE extension_id = ANY (%s)"
# A row for each extension of a case, and one lock on the case, by ID, as moves and kill
# switches lock: two that want the same cases take turns. What a sender is told must not
# show that a restricted case is there, so nothing joins one by itself, from any sender.
# Its playbook is not read along: a document of some kilobytes for each case, which only
# a case that is raised needs.
LOCK_CASES = """
    SELECT incident.*, extension.extension_id AS extension_name
      FROM incidents_incident AS incident
      JOIN incidents_incident_extensions AS named ON named.incident_id = incident.id
      JOIN policy_extension AS extension ON extension.id = named.extension_id
     WHERE incident.status = 'open' AND NOT incident.is_restricted
       AND named.extension_id = ANY (%s) AND incident.playbook_version_id = ANY (%s)
     ORDER BY incident.id FOR UPDATE OF incident
"""

# What a document's digest stands for never changes, so that nothing here is ever stale.
_categories: dict[str, str | None] = {}

Span = tuple[dt.datetime, dt.datetime]


@dataclass(frozen=True)
class GroupFacts:
    """One group: its extension, its open cases (locked), and what the rules look at."""

    extension: Extension
    cases: Mapping[int, Incident]
    playbook_version_id: int | None
    state: GroupState


@dataclass(frozen=True)
class IntakeState:
    groups: Mapping[Group, GroupFacts]
    rule_ids: Mapping[str, int]


@dataclass(frozen=True)
class _Versions:
    """Categories of all playbook versions, and the newest version of each category."""

    category_of: Mapping[int, str]
    newest: Mapping[str, int]


@dataclass
class _Found:
    """The open cases of the groups, and where their alerts lie in time."""

    cases: dict[Group, dict[int, Incident]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    open_cases: dict[Group, list[OpenCase]] = field(
        default_factory=lambda: defaultdict(list)
    )


def read_state(spans: Mapping[Group, Span], *, now: dt.datetime) -> IntakeState:
    """Read the facts of these groups; `spans` are the times of their new alerts.

    The caller holds the groups' locks. The open cases are locked here, in one order.
    """
    categories = {group.category for group in spans}
    rows = list(AlertRule.objects.raw(ENABLED_RULES, [list(categories)]))
    rules = [rule_of(row) for row in rows]
    windows: dict[str, int] = {}
    # Rules of one category share a window for joining: the widest of theirs.
    for row in rows:
        known = windows.get(row.category, 0)
        windows[row.category] = max(known, row.join_window_seconds)
    versions = _read_versions(categories)
    extensions = _note_extensions({group.extension_id for group in spans}, now)
    found = _lock_cases(spans, extensions, versions)
    kept = _read_kept(spans, extensions, rules)
    facts = {}
    for group in spans:
        version_id = versions.newest.get(group.category)
        facts[group] = GroupFacts(
            extension=extensions[group.extension_id],
            cases=found.cases[group],
            playbook_version_id=version_id,
            state=GroupState(
                rules=rules_of(rules, group.category),
                open_cases=tuple(found.open_cases[group]),
                kept=tuple(kept[group]),
                join_window_seconds=windows.get(
                    group.category, alert_rules.JOIN_WINDOW_SECONDS
                ),
                can_open=version_id is not None,
            ),
        )
    return IntakeState(facts, {row.key: row.pk for row in rows})


def rule_of(row: AlertRule) -> alert_rules.AlertRule:
    """Return a stored rule as the value that decides."""
    return alert_rules.AlertRule(
        key=row.key,
        category=row.category,
        least_severity=AlertSeverity(row.least_severity),
        opens_severity=Severity(row.opens_severity),
        count=row.count,
        window_seconds=row.window_seconds,
        tell=KeptNotice(row.tell),
        tell_team=row.tell_team_id,
    )


def _read_versions(categories: Collection[str]) -> _Versions:
    """Find the playbook versions of these categories; several playbooks: the first."""
    with kept_plans() as cursor:
        cursor.execute(VERSIONS)
        keys = cursor.fetchall()
    _learn_categories({content for _, _, content in keys} - _categories.keys())
    category_of: dict[int, str] = {}
    newest: dict[str, int] = {}
    seen: set[int] = set()
    for pk, playbook_id, content in keys:
        category = _categories[content]
        if category is not None and category in categories:
            category_of[pk] = category
            if playbook_id not in seen:
                newest.setdefault(category, pk)
        seen.add(playbook_id)
    return _Versions(category_of, newest)


def _learn_categories(contents: Collection[str]) -> None:
    if contents:
        rows = PlaybookVersion.objects.filter(content_sha256__in=contents)
        category = KT("document__alert_category")
        _categories.update(rows.values_list("content_sha256", category))


def _note_extensions(ids: Iterable[str], now: dt.datetime) -> dict[str, Extension]:
    # Sorted: two intakes that note the same new ones wait in line, not in a circle.
    wanted = sorted(set(ids))
    known = {
        extension.extension_id: extension
        for extension in Extension.objects.raw(EXTENSIONS, [wanted])
    }
    for extension_id in wanted:
        if extension_id not in known:
            known[extension_id] = note_extension(
                extension_id=extension_id, seen_in=SEEN_IN, now=now
            )
    return known


def _lock_cases(
    groups: Iterable[Group], extensions: Mapping[str, Extension], versions: _Versions
) -> _Found:
    wanted, found = set(groups), _Found()
    pks = [extension.pk for extension in extensions.values()]
    values = [pks, list(versions.category_of)]
    incidents: dict[int, Incident] = {}
    rows: Iterable[Any] = Incident.everything.raw(LOCK_CASES, values)
    for row in rows:
        category = versions.category_of[row.playbook_version_id]
        group = Group(row.extension_name, category)
        if group in wanted:
            found.cases[group][row.pk] = incidents.setdefault(row.pk, row)
    times = _read_times(incidents)
    for group, cases in found.cases.items():
        for pk, case in cases.items():
            # A case that a person opened may have no alert: it is as old as what was
            # detected.
            moments = [*times.get(pk, ()), to_ms(case.detected_at)]
            found.open_cases[group].append(
                OpenCase(
                    id=pk,
                    alert_category=group.category,
                    extension_ids=frozenset({group.extension_id}),
                    first_ts_ms=min(moments),
                    last_ts_ms=max(moments),
                )
            )
    return found


READ_TIMES = """
    SELECT pk,
           (SELECT min(happened_at) FROM incidents_alert WHERE incident_id = pk),
           (SELECT max(happened_at) FROM incidents_alert WHERE incident_id = pk)
      FROM unnest(%s::bigint[]) AS wanted (pk)
"""


def _read_times(incidents: Collection[int]) -> dict[int, list[int]]:
    """Return the first and last alert of each case, one step in an index for each."""
    if not incidents:
        return {}
    with kept_plans() as cursor:
        cursor.execute(READ_TIMES, [sorted(incidents)])
        return {
            pk: [to_ms(moment) for moment in moments if moment is not None]
            for pk, *moments in cursor.fetchall()
        }


def _read_kept(
    spans: Mapping[Group, Span],
    extensions: Mapping[str, Extension],
    rules: Collection[alert_rules.AlertRule],
) -> dict[Group, list[KeptAlert]]:
    """Read the alerts without a case that a rule may count with the new ones.

    One that a person split off does not count: it would open what was just undone.
    """
    kept: dict[Group, list[KeptAlert]] = defaultdict(list)
    counting = [rule for rule in rules if rule.count > 1]
    categories = {group.category for group in spans} & {r.category for r in counting}
    if not categories:
        return kept
    # Wide enough for every rule; each counts within its own window later.
    window = dt.timedelta(seconds=max(rule.window_seconds for rule in counting))
    rows = Alert.everything.filter(
        incident__isnull=True,
        decision=AlertDecision.KEPT,
        assignments__isnull=True,
        extension__in=list(extensions.values()),
        category__in=categories,
        happened_at__gte=min(start for start, _ in spans.values()) - window,
        happened_at__lte=max(end for _, end in spans.values()) + window,
    ).values_list("extension__extension_id", "category", "severity", "happened_at")
    for extension_id, category, severity, moment in rows:
        group = Group(extension_id, category)
        kept[group].append(KeptAlert(to_ms(moment), AlertSeverity(severity)))
    return kept

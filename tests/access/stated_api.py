"""Who may do what through the API: the role of the token's owner, and its scope.

A scope narrows what its owner may do and adds nothing: a cell is open where the role
is stated and the token has the scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evidence.api.records import EVIDENCE_KINDS
from evidence.models import TokenScope
from incidents.api.records import INCIDENT_KINDS
from policy.api.records import POLICY_KINDS
from tests.access.people import Who
from tests.access.stated import (
    NONE,
    OF_A_CASE,
    READERS,
    REVIEWERS,
    SHARED,
    STAFF,
    WORKERS,
    Roles,
    Row,
)

KINDS = (*EVIDENCE_KINDS, *POLICY_KINDS, *INCIDENT_KINDS)
WITH_MACHINES: Roles = READERS | {Who.MACHINE}
SENDERS: Roles = WORKERS | {Who.MACHINE}
TAKERS: Roles = WORKERS | {Who.AUDITOR}
ANYBODY: Roles = STAFF | {Who.MACHINE}


@dataclass(frozen=True)
class Write:
    """A method that changes something: who may use it, with a token of which scope."""

    roles: Roles
    scope: TokenScope


@dataclass(frozen=True)
class Resource:
    """A route of the API: who reads it, with which scope, and who changes what."""

    reads: Roles = frozenset()
    scopes: tuple[TokenScope, ...] = (TokenScope.READ,)
    writes: Mapping[str, Write] = field(default_factory=dict)
    row: Row = NONE
    """Whose row the address names: a case's is absent where the case is hidden."""


SEND = {"post": Write(SENDERS, TokenScope.EVIDENCE_WRITE)}
WORK_EVIDENCE = {"post": Write(WORKERS, TokenScope.EVIDENCE_WRITE)}
WORK_CASES = {"post": Write(WORKERS, TokenScope.CASES_WRITE)}
REVIEW_CASES = {"post": Write(REVIEWERS, TokenScope.CASES_REVIEW)}
WORK_POLICY = {"post": Write(WORKERS, TokenScope.POLICY_WRITE)}
REPORT_POLICY = {"post": Write(SENDERS, TokenScope.POLICY_WRITE)}

LISTS = (
    *("custody-events", "reports", "audit-entries", "extensions", "trust-transitions"),
    *("rollbacks", "phases", "playbooks", "playbook-versions", "alert-rules"),
    *("findings", "postmortems", "postmortem-versions", "action-items", "scans"),
    *(kind.path for kind in KINDS),
)
"""What is listed and read row by row, by everybody who has a role to read."""
OF_NO_CASE = frozenset(
    {
        *("extensions", "playbooks", "playbook-versions", "alert-rules"),
        *("history-checks", "record-checks", "log-keys", "log-checkpoints"),
        *("log-copies", "store-marks", "unclaimed-bytes", "api-tokens"),
        *("extension-versions", "reminder-settings", "webhooks", "teams"),
    }
)
"""The lists whose rows everybody sees who reads; rows of all others are of a case."""
CASE = "incidents/<reference>/"
OTHERS = {
    "evidence/": Resource(READERS, writes={**SEND, "put": SEND["post"]}),
    "evidence/<int:pk>/": Resource(READERS, row=OF_A_CASE),
    "evidence/<int:pk>/content/": Resource(
        TAKERS, (TokenScope.READ, TokenScope.EVIDENCE_DOWNLOAD), row=OF_A_CASE
    ),
    "evidence/<int:pk>/kind/": Resource(writes=WORK_EVIDENCE, row=OF_A_CASE),
    "evidence/<int:pk>/again/": Resource(writes=WORK_EVIDENCE, row=OF_A_CASE),
    "evidence/<str:filename>": Resource(writes={"put": SEND["post"]}),
    "reports/<int:report_pk>/errors/": Resource(READERS, row=OF_A_CASE),
    "reports/<int:report_pk>/replay-steps/": Resource(READERS, row=OF_A_CASE),
    "log/checkpoint/": Resource(READERS),
    "log/consistency/": Resource(READERS),
    "exports/": Resource(
        READERS, writes={"post": Write(TAKERS, TokenScope.EVIDENCE_WRITE)}
    ),
    "exports/<pk>/": Resource(READERS, row=OF_A_CASE),
    "exports/<pk>/again/": Resource(
        writes={"post": Write(TAKERS, TokenScope.EVIDENCE_WRITE)}, row=OF_A_CASE
    ),
    "audit-entries/<pk>/proof/": Resource(READERS, row=OF_A_CASE),
    "audit-streams/": Resource(READERS),
    "scans/<int:report_pk>/entries/": Resource(READERS, row=OF_A_CASE),
    "scans/<pk>/again/": Resource(writes=WORK_POLICY, row=OF_A_CASE),
    "scans/<pk>/sarif/": Resource(READERS, row=OF_A_CASE),
    "extensions/<pk>/trust/": Resource(READERS, row=SHARED),
    "kill-switches/": Resource(WITH_MACHINES),
    "kill-switches/<pk>/": Resource(WITH_MACHINES, row=OF_A_CASE),
    "kill-switches/<pk>/confirmation/": Resource(writes=REPORT_POLICY, row=OF_A_CASE),
    "policy-snapshots/": Resource(READERS, writes=REPORT_POLICY),
    "policy-snapshots/<pk>/": Resource(READERS, row=OF_A_CASE),
    "metrics/phase-times/": Resource(READERS),
    "metrics/case-weeks/": Resource(WITH_MACHINES),
    "metrics/case-ages/": Resource(WITH_MACHINES),
    "incidents/": Resource(WITH_MACHINES),
    CASE: Resource(WITH_MACHINES, writes={"patch": WORK_CASES["post"]}, row=OF_A_CASE),
    f"{CASE}picture/": Resource(WITH_MACHINES, row=OF_A_CASE),
    f"{CASE}close/": Resource(writes=WORK_CASES, row=OF_A_CASE),
    f"{CASE}hold/": Resource(writes=WORK_CASES, row=OF_A_CASE),
    f"{CASE}release-hold/": Resource(writes=REVIEW_CASES, row=OF_A_CASE),
    f"{CASE}restrict/": Resource(writes=WORK_CASES, row=OF_A_CASE),
    f"{CASE}readers/": Resource(writes=WORK_CASES, row=OF_A_CASE),
    f"{CASE}lift-restriction/": Resource(writes=REVIEW_CASES, row=OF_A_CASE),
    "incidents/look-in/": Resource(writes=REVIEW_CASES),
    f"{CASE}tlp/": Resource(writes=WORK_CASES, row=OF_A_CASE),
    "archives/": Resource(
        READERS, writes={"post": Write(TAKERS, TokenScope.CASES_WRITE)}
    ),
    "archives/<pk>/": Resource(READERS, row=OF_A_CASE),
    "archives/<pk>/file/": Resource(
        REVIEWERS | {Who.AUDITOR}, (TokenScope.READ, TokenScope.ARCHIVES), row=OF_A_CASE
    ),
    "alerts/": Resource(
        READERS,
        writes={"post": Write(SENDERS, TokenScope.ALERTS_WRITE)},
    ),
    "alerts/<pk>/": Resource(READERS, row=OF_A_CASE),
    "postmortem-versions/<pk>/archive/again/": Resource(
        writes=WORK_CASES, row=OF_A_CASE
    ),
    "postmortem-versions/<pk>/pdf/again/": Resource(writes=WORK_CASES, row=OF_A_CASE),
    "lists/": Resource(ANYBODY),
    "schema/": Resource(ANYBODY),
}
BESIDES = {
    "api/v1/docs/": "a page for who is signed in; tokens do not open it",
    "api/v1/": "answers what nothing else answers: there is nothing there",
    "log/checkpoint": "the public log, where LOG_IS_PUBLIC says so",
    "log/tile/<path:path>": "the public log, where LOG_IS_PUBLIC says so",
}
"""What is no resource of the API; each has a test of its own in test_api."""


def stated_resources() -> dict[str, Resource]:
    """Return what is stated of every resource, by its route."""
    found = {f"api/v1/{path}": resource for path, resource in OTHERS.items()}
    for name in LISTS:
        found[f"api/v1/{name}/"] = Resource(READERS)
        row = SHARED if name in OF_NO_CASE else OF_A_CASE
        found[f"api/v1/{name}/<pk>/"] = Resource(READERS, row=row)
    return found

"""Who may do what, route by route: the answer that each cell of the matrix must have.

Routes are written as the resolver has them. `reads` are those whom a GET leads to
something, `sends` those whose form or body is taken. What is not stated is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tests.access.people import Who

Roles = frozenset[Who]

NOBODY: Roles = frozenset()
READERS: Roles = frozenset(
    {Who.RESPONDER, Who.REVIEWER, Who.AUDITOR, Who.ADMINISTRATOR, Who.SUPERUSER}
)
WORKERS: Roles = frozenset({Who.RESPONDER, Who.REVIEWER, Who.SUPERUSER})
REVIEWERS: Roles = frozenset({Who.REVIEWER, Who.SUPERUSER})
ADMINISTRATORS: Roles = frozenset({Who.ADMINISTRATOR, Who.SUPERUSER})
ARCHIVISTS: Roles = frozenset({Who.REVIEWER, Who.AUDITOR, Who.SUPERUSER})
STAFF: Roles = READERS | {Who.OUTSIDER}
EVERYBODY: Roles = frozenset(Who)

NEVER_BY_HAND = "Django has this page for every table; here no row is made by hand."
NEVER_DELETED = "Django has this page for every table; here nothing is deleted."


class Row(StrEnum):
    """What an address names, and so how it answers for whom a case is hidden.

    A case is hidden that is restricted and does not name somebody, and one of another
    team from who is in a team that sees only its own. To them a row of it is absent:
    each method is answered as for a row that is not there, and changes nothing.
    """

    NONE = ""
    OF_A_CASE = "a case's"
    SHARED = "everybody's"
    OWN = "one's own"


NONE, OF_A_CASE, SHARED, OWN = Row


@dataclass(frozen=True)
class Page:
    """A page: who opens it, who may send a form to it, and why nobody may."""

    reads: Roles = NOBODY
    sends: Roles = NOBODY
    closed: str = ""
    buttons: Mapping[str, Roles] = field(default_factory=dict)
    """Who may press which button, of the pages that take several."""
    row: Row | None = None
    """Whose row the address names; None: as its table has it, or none at all."""


@dataclass(frozen=True)
class Table:
    """The pages that Django's admin gives a table, and those that we add to it."""

    rows: Row
    reads: Roles = READERS
    adds: Roles = NOBODY
    add_page: Roles | None = None
    changes: Roles = NOBODY
    deletes: Roles = NOBODY
    sends_list: Roles = NOBODY
    bulk: Mapping[str, Roles] = field(default_factory=dict)
    buttons: Mapping[str, Roles] = field(default_factory=dict)
    pages: Mapping[str, Page] = field(default_factory=dict)

    def routes(self, label: str) -> Iterator[tuple[str, Page]]:
        """Yield every route of the table, who it is for and whose row it names."""
        for path, page in self._pages(label):
            named = self.rows if "<" in path else NONE
            row = named if page.row is None else page.row
            yield path, replace(page, row=row)

    def _pages(self, label: str) -> Iterator[tuple[str, Page]]:
        base = f"admin/{label.replace('.', '/')}/"
        row = f"{base}<path:object_id>/"
        yield base, Page(self.reads, self.sends_list, buttons=self.bulk)
        opens = self.adds if self.add_page is None else self.add_page
        closed = "" if opens else NEVER_BY_HAND
        yield f"{base}add/", Page(opens, self.adds, closed=closed)
        yield f"{row}change/", Page(self.reads, self.changes)
        yield f"{row}history/", Page(self.reads)
        closed = "" if self.deletes else NEVER_DELETED
        yield f"{row}delete/", Page(self.deletes, self.deletes, closed=closed)
        # The address of Django 1.8, which leads to the page of the row.
        yield row, Page(STAFF)
        if self.buttons:
            do = f"{base}<int:pk>/do/<slug:action>/"
            yield do, Page(self.reads, buttons=self.buttons)
        for path, page in self.pages.items():
            yield base + path, page


WORK, REVIEW = WORKERS, REVIEWERS
TABLES = {
    "evidence.logcheckpoint": Table(SHARED),
    "evidence.logcopy": Table(SHARED),
    "evidence.auditentry": Table(
        OF_A_CASE,
        bulk={"verify_streams": READERS},
        pages={"<path:object_id>/prove_entry/": Page(READERS)},
    ),
    "evidence.historycheck": Table(SHARED, adds=READERS),
    "evidence.recordcheck": Table(SHARED, adds=READERS),
    "evidence.storefault": Table(OF_A_CASE),
    "evidence.evidenceitem": Table(
        OF_A_CASE,
        add_page=STAFF,
        bulk={"verify_again": WORK},
        pages={
            "upload/": Page(WORK, WORK),
            "<int:pk>/download/": Page(WORK | {Who.AUDITOR}),
            "<int:pk>/verify/": Page(sends=WORK),
            "<int:pk>/kind/": Page(READERS, WORK),
            "<int:pk>/export/": Page(READERS, WORK | {Who.AUDITOR}),
            "<int:pk>/export/<int:export_pk>/again/": Page(sends=WORK | {Who.AUDITOR}),
            "<int:pk>/status/": Page(READERS),
            "of/<int:incident_id>/status/": Page(READERS),
        },
    ),
    "evidence.apitoken": Table(
        SHARED, adds=ADMINISTRATORS, bulk={"revoke": ADMINISTRATORS}
    ),
    "auth.user": Table(
        SHARED,
        reads=ADMINISTRATORS,
        adds=ADMINISTRATORS,
        pages={
            "settings/": Page(STAFF, STAFF),
            "sessions/": Page(STAFF, STAFF),
            "factors/": Page(STAFF, STAFF),
            "factors/app/": Page(STAFF, STAFF),
            "factors/passkey/": Page(STAFF, STAFF),
            "tokens/": Page(STAFF, STAFF),
            "tokens/add/": Page(READERS, READERS),
            "tokens/<int:pk>/rotate/": Page(READERS, READERS, row=OWN),
            "<path:object_id>/email/": Page(ADMINISTRATORS, ADMINISTRATORS),
            "<path:object_id>/roles/": Page(ADMINISTRATORS, ADMINISTRATORS),
            "<path:object_id>/active/": Page(ADMINISTRATORS, ADMINISTRATORS),
            "<path:object_id>/password/": Page(ADMINISTRATORS, ADMINISTRATORS),
            "<path:object_id>/sign-out/": Page(ADMINISTRATORS, ADMINISTRATORS),
            "<path:object_id>/lost-factors/": Page(ADMINISTRATORS, ADMINISTRATORS),
            "<path:object_id>/unlink/": Page(ADMINISTRATORS, ADMINISTRATORS),
        },
    ),
    "auth.group": Table(SHARED, reads=ADMINISTRATORS),
    "axes.accessattempt": Table(
        SHARED,
        reads=ADMINISTRATORS,
        bulk={"lift_locks": ADMINISTRATORS, "forget_expired": ADMINISTRATORS},
    ),
    "axes.accessfailurelog": Table(SHARED, reads=ADMINISTRATORS),
    "axes.accesslog": Table(SHARED, reads=ADMINISTRATORS),
    "policy.extension": Table(
        SHARED,
        adds=WORK,
        buttons={
            "demote": WORK,
            "kill": WORK,
            "probation": WORK,
            "request": WORK,
            "approve": REVIEW,
            "decline": REVIEW,
            "withdraw": WORK,
            "quota": WORK,
            "confirm-kill": WORK,
            "edit": WORK,
        },
        pages={
            "trust/": Page(READERS),
            "trust-table/": Page(READERS),
            "suggest/": Page(READERS),
        },
    ),
    "policy.runtimehistoryimport": Table(OF_A_CASE, adds=WORK),
    "policy.killswitch": Table(
        OF_A_CASE,
        bulk={"export_csv": READERS, "export_json": READERS},
        buttons={
            "confirm": WORK,
            "request": WORK,
            "approve": REVIEW,
            "decline": REVIEW,
            "withdraw": WORK,
            "release": WORK,
            "approve-release": REVIEW,
            "decline-release": REVIEW,
            "withdraw-release": WORK,
        },
        pages={"export.<slug:form>": Page(READERS, row=NONE)},
    ),
    "policy.trusttransition": Table(OF_A_CASE),
    "policy.promotionrequest": Table(OF_A_CASE),
    "policy.liftrequest": Table(OF_A_CASE),
    "policy.quotachange": Table(OF_A_CASE),
    "policy.quotabreach": Table(OF_A_CASE),
    "policy.rollback": Table(
        OF_A_CASE,
        buttons={
            "approve": REVIEW,
            "decline": REVIEW,
            "withdraw": WORK,
            "apply": WORK,
            "close": WORK,
        },
    ),
    "policy.scanreport": Table(
        OF_A_CASE,
        adds=WORK,
        buttons={"again": WORK},
        pages={
            "read/<int:item_pk>/": Page(sends=WORK),
            "<int:pk>/sarif/": Page(READERS),
            "<int:pk>/tests/": Page(READERS),
        },
    ),
    "policy.policysnapshot": Table(
        OF_A_CASE,
        adds=WORK,
        buttons={"compare": READERS, "defaults": WORK, "earlier": WORK},
        pages={"<int:before>/against/<int:after>/": Page(READERS)},
    ),
    "incidents.actionitem": Table(
        OF_A_CASE,
        changes=WORK,
        buttons={"close": WORK, "reopen": WORK},
        pages={"new/<int:incident_id>/": Page(WORK, WORK)},
    ),
    "incidents.alert": Table(
        OF_A_CASE, bulk={"move_into_case": WORK, "split_from_case": WORK}
    ),
    "incidents.alertrule": Table(SHARED, adds=ADMINISTRATORS, changes=ADMINISTRATORS),
    "incidents.casearchive": Table(
        OF_A_CASE,
        adds=WORK | {Who.AUDITOR},
        pages={
            "<int:pk>/file/": Page(ARCHIVISTS),
            "check/": Page(READERS, READERS),
        },
    ),
    "incidents.incident": Table(
        OF_A_CASE,
        adds=WORK,
        buttons={
            **dict.fromkeys(
                (
                    *("complete-phase", "set-due", "acknowledge", "state", "answer"),
                    *("undo", "confirm", "confirm-shown", "overrule", "assign", "link"),
                    *("decide", "act", "write", "lead", "ticket", "related"),
                    *("open-shown", "reclassify", "kill", "kill-all", "confirm-kill"),
                    *("close", "mark", "withdraw-mark", "hold", "restrict", "readers"),
                ),
                WORK,
            ),
            **dict.fromkeys(
                (
                    *("waive", "revoke-waiver", "duplicate", "false-alarm"),
                    *("take-over", "reopen", "approve-mark", "decline-mark"),
                    *("release-hold", "lift-restriction"),
                ),
                REVIEW,
            ),
        },
        pages={
            "preview/": Page(sends=READERS),
            "look-in/": Page(REVIEW, REVIEW),
            "my-items/": Page(READERS),
            "system/": Page(ADMINISTRATORS),
            "system/repeat/": Page(sends=ADMINISTRATORS),
            "metrics/": Page(READERS),
            "metrics/<slug:table>.csv": Page(READERS, row=NONE),
            "<path:object_id>/changes/": Page(READERS),
            "<path:object_id>/edit/": Page(WORK, WORK),
            "<path:object_id>/timeline.csv": Page(READERS),
            "<path:object_id>/timeline.md": Page(READERS),
        },
    ),
    "incidents.prunerequest": Table(
        OF_A_CASE,
        adds=ADMINISTRATORS,
        buttons={"approve": REVIEW, "decline": REVIEW, "withdraw": ADMINISTRATORS},
    ),
    "incidents.notification": Table(
        OF_A_CASE,
        bulk={"send_again": WORK},
        pages={
            "preferences/": Page(STAFF, STAFF),
            "preferences/test/": Page(sends=STAFF),
        },
    ),
    "incidents.webhookchannel": Table(
        SHARED,
        adds=ADMINISTRATORS,
        changes=ADMINISTRATORS,
        pages={"<int:channel_id>/test/": Page(sends=ADMINISTRATORS)},
    ),
    "incidents.remindersettings": Table(SHARED, sends_list=ADMINISTRATORS),
    "incidents.playbook": Table(SHARED),
    "incidents.postmortem": Table(
        OF_A_CASE,
        buttons={
            "submit": WORK,
            "sign": REVIEW,
            "return": REVIEW,
            "take-up": WORK,
            "pdf": READERS,
            "archive": WORK,
            "findings": WORK,
        },
        pages={
            "open/<int:incident_id>/": Page(sends=WORK),
            "<path:object_id>/edit/": Page(WORK, WORK),
            "<path:object_id>/autosave/": Page(sends=WORK),
            "<path:object_id>/status/": Page(READERS),
            "<path:object_id>/compare/": Page(READERS),
            "<path:object_id>/export.<slug:form>": Page(READERS),
        },
    ),
    "incidents.team": Table(SHARED, adds=ADMINISTRATORS, changes=ADMINISTRATORS),
}
SITE = {
    "": Page(EVERYBODY),
    "favicon.ico": Page(EVERYBODY),
    "admin/": Page(STAFF),
    "admin/login/": Page(EVERYBODY, EVERYBODY),
    "admin/login/factor/": Page(EVERYBODY, EVERYBODY),
    "admin/login/passkey/": Page(EVERYBODY, EVERYBODY),
    "admin/login/single/": Page(EVERYBODY),
    "admin/login/single/return/": Page(EVERYBODY),
    "admin/login/single/ended/": Page(sends=EVERYBODY),
    "admin/logout/": Page(sends=EVERYBODY),
    "admin/password_change/": Page(STAFF, STAFF),
    "admin/password_change/done/": Page(STAFF),
    "admin/confirm/": Page(STAFF, STAFF),
    "admin/search/": Page(STAFF),
    "admin/autocomplete/": Page(
        closed="Django's look-up for fields that complete: no form here has one."
    ),
    "admin/jsi18n/": Page(STAFF),
    "admin/r/<path:content_type_id>/<path:object_id>/": Page(
        closed="Django's way to a row's page outside the admin: no row here has one."
    ),
    "admin/<app_label>/": Page(READERS),
    "admin/<url>": Page(closed="What nothing else answers: there is nothing there."),
}


def stated_pages() -> dict[str, Page]:
    """Return what is stated of every page, by its route."""
    found = {path: replace(page, row=NONE) for path, page in SITE.items()}
    for label, table in TABLES.items():
        found.update(table.routes(label))
    return found

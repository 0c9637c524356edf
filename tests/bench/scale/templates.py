"""The cases that are copied, made by the services like any other case.

The world that the tests of pages walk has a row for everything that has a page. Closed
cases are added until one case in ten is open, with so many alerts and evidence items
that a case has about five and three and a half of them.
"""

from __future__ import annotations

import datetime as dt
import json

from evidence.simulation import simulate_document
from incidents.models import Alert, Incident
from incidents.services.timeline import write_entry
from incidents.workflow.incident_states import IncidentStatus, Severity
from tests.factories import (
    NOON,
    close_false_alarm,
    make_evidence,
    make_incident,
    make_user,
)
from tests.incidents.alerts.samples import alert_document, receive
from tests.pages.world import make_everything

CLOSED_FOR_EACH_OPEN = 9
EXTENSIONS = ("ext.weather", "ext.calendar", "ext.mail", "ext.maps")
PLAYBOOKS = ("INC-1", "INC-2", "INC-3", "INC-4", "INC-5", "INC-6")
TITLES = (
    "Secret exposed to an extension",
    "Host outside the list called by an extension",
    "Quota of memory passed",
    "Signature of a package does not match",
)
CALLS = 6
"""Of a bundle: the replay keeps a row for each of its steps."""
NOTES = (
    "The owner of the extension was asked.",
    "The credential was rotated by its owner.",
    "Nothing else was read in that hour.",
)
QUIET = {"category": "something_else", "severity": "info"}
"""What no rule opens a case for."""


def make_templates(*, closed: int | None = None) -> Incident:
    """Fill the database with cases to be copied; return one that holds much.

    `closed` limits the closed cases that are added; None: nine for each open one.
    """
    full = make_everything()
    is_open = Incident.objects.filter(status=IncidentStatus.OPEN).count()
    wanted = CLOSED_FOR_EACH_OPEN * is_open if closed is None else closed
    for number in range(wanted):
        _make_closed(number)
    return full


def _make_closed(number: int) -> Incident:
    """Make a case that was looked into and closed; each number differs a little."""
    started = NOON + dt.timedelta(hours=number)
    case = make_incident(
        playbook=PLAYBOOKS[number % len(PLAYBOOKS)],
        title=TITLES[number % len(TITLES)],
        severity=list(Severity)[number % len(Severity)],
        extension_ids=(EXTENSIONS[number % len(EXTENSIONS)],),
        actor=make_user(),
        detected_at=started,
        now=started,
    )
    _add_alerts(case, 4 + number % 3)
    for position in range(3 + number % 2):
        _add_evidence(case, position)
    for position in range(2 + number % 3):
        write_entry(
            actor=make_user(),
            incident_id=case.pk,
            event_at=started,
            body=NOTES[position % len(NOTES)],
            now=started + dt.timedelta(minutes=position + 1),
        )
    return close_false_alarm(
        case, reason="Expected behaviour.", now=started + dt.timedelta(hours=2)
    )


def _add_alerts(case: Incident, count: int) -> None:
    """Have alerts come in that no rule opens a case for, and put them into this one."""
    ids = [f"alert-{case.pk}-{number}" for number in range(count)]
    receive(
        *(
            alert_document(alert_id, **QUIET, call_id=f"call-{alert_id}")
            for alert_id in ids
        )
    )
    Alert.objects.filter(alert_id__in=ids).update(incident=case)


def _add_evidence(case: Incident, position: int) -> None:
    """Attach a bundle of its own that is verified; in the second place, a log."""
    if position == 1:
        make_evidence(case, name="runtime.log", content=f"log of {case.pk}".encode())
        return
    document = simulate_document(calls=CALLS, seed=10 * case.pk + position)
    make_evidence(case, name="bundle.json", content=json.dumps(document).encode())

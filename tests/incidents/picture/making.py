"""Cases with a story to draw: a quarantine that was escaped, a ledger that breaks."""

from __future__ import annotations

import datetime as dt
import json

from evidence.format import serialize_document
from evidence.models import Channel
from evidence.simulation import simulate_document
from evidence.stored_moments import from_ms
from incidents.models import Incident
from incidents.services.gates.conditions import state_condition
from incidents.services.gates.phases import complete_phase
from incidents.services.timeline import write_entry
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.phases import Phase
from policy.models import BundleReading
from policy.services.kill_switches import activate_kill_switch, confirm_kill_switch
from policy.services.readings import run_reading, take_up_evidence
from policy.services.runtime_histories import import_runtime_history
from tests.factories import make_evidence, make_incident, make_user


def span_of(document: dict) -> tuple[dt.datetime, dt.datetime]:
    """Return the moments of the first and the last entry."""
    entries = document["risk_ledger"]["entries"]
    return from_ms(entries[0]["ts_ms"]), from_ms(entries[-1]["ts_ms"])


def make_story(
    *,
    calls: int = 300,
    scenario: str = "inc-5",
    playbook: str = "INC-5",
    is_contained: bool = True,
) -> Incident:
    """Open a case in the middle of what its bundle records; contain it."""
    document = simulate_document(calls=calls, seed=5, scenario=scenario)
    begun, ended = span_of(document)
    length = ended - begun
    extension = document["risk_ledger"]["entries"][0]["extension_id"]
    detected = begun + length * 0.3
    case = make_incident(
        playbook=playbook,
        extension_ids=(extension,),
        detected_at=detected,
        now=detected + length * 0.01,
    )
    if is_contained:
        contain(case, detected, length)
    make_evidence(
        case,
        content=serialize_document(document),
        name="incident-bundle.json",
        now=begun + length * 0.9,
    )
    take_up_evidence()
    for reading in BundleReading.objects.all():
        run_reading(reading_id=reading.pk)
    if is_contained:
        import_history(case, extension, begun, length)
    return case


def contain(case: Incident, detected: dt.datetime, length: dt.timedelta) -> None:
    """Order a kill, confirm its effect later, and complete CONTAIN."""
    who = make_user()
    switch = activate_kill_switch(
        incident_id=case.pk,
        extension_pk=case.extensions.get().pk,
        reason="it got out of quarantine",
        actor=who,
        now=detected + length * 0.1,
    )
    confirm_kill_switch(
        kill_switch_id=switch.pk,
        means="All denied.",
        actor=who,
        effective_at=detected + length * 0.25,
        now=detected + length * 0.3,
    )
    state_condition(
        actor=who,
        incident_id=case.pk,
        condition=ConditionKey.ISOLATION_VERIFIED,
        statement="I watched.",
        now=detected + length * 0.32,
    )
    complete_phase(
        actor=who,
        incident_id=case.pk,
        phase=Phase.CONTAIN,
        now=detected + length * 0.35,
    )
    write_entry(
        actor=who,
        incident_id=case.pk,
        body="Asked the owner.",
        now=detected + length * 0.4,
    )


def import_history(
    case: Incident, extension: str, begun: dt.datetime, length: dt.timedelta
) -> None:
    """Take in the runtime's record: quarantined, and active without a promotion."""
    lines = [
        {"from": "probation", "to": "quarantined", "operator": "ben"},
        {"from": "quarantined", "to": "active", "operator": ""},
    ]
    record = "\n".join(
        json.dumps(
            {
                "extension": extension,
                "reason": "risk",
                "acknowledged": False,
                "time": int((begun + length * share).timestamp() * 1000),
                **line,
            }
        )
        for share, line in zip((0.1, 0.2), lines, strict=True)
    )
    import_runtime_history(
        incident_id=case.pk,
        data=record.encode(),
        original_name="history.jsonl",
        channel=Channel.ADMIN,
        actor=make_user(),
    )

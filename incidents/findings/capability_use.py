"""INC-1: was a call executed that something denies, and how did it get through?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from incidents.findings.case import Reading
from incidents.findings.finding import (
    Answer,
    Pointer,
    Question,
    conclude,
    counted,
    figure,
    listed,
)
from incidents.findings.records import LEDGER, Record, call_text, distinct
from policy.rules.capabilities import capabilities_of_method, normalise_name
from policy.rules.explanation import compare_policies
from policy.rules.precedence import PolicyDecision, Verdict, evaluate

CODE = "INC-1"
DENIED_AND_EXECUTED = Question(
    CODE,
    "denied-and-executed",
    "identify-call",
    "Was a call executed that was denied?",
)
CAPABILITY_AS_NEEDED = Question(
    CODE,
    "capability-as-needed",
    "examine-dispatch",
    "Was a call let through under another capability than it needs?",
)
POLICY_AGREES = Question(
    CODE,
    "executed-against-policy",
    "check-policy-path",
    "Was a call let through that the policy in force denies?",
)
RUNTIME_POLICY = Question(
    CODE,
    "policy-in-force",
    "check-policy-path",
    "Does the runtime work under another policy than the settings give?",
    is_incident=False,
)
QUESTIONS = (DENIED_AND_EXECUTED, CAPABILITY_AS_NEEDED, POLICY_AGREES, RUNTIME_POLICY)
_BLOCKING = ("deny", "terminate")
TELEMETRY, MEDIATION = "hostcall_telemetry", "exec_mediation"


def answer(reading: Reading) -> Iterator[Answer]:
    """Yield the answers to INC-1's questions."""
    yield _denied_and_executed(reading)
    yield _capability_as_needed(reading)
    yield _executed_against_policy(reading)
    if reading.case.explanation is not None and any(
        policy.knows_overrides for policy in reading.case.policies
    ):
        yield _policy_in_force(reading)


# --- Denied, and executed all the same ----------------------------------------------


def _denied_and_executed(reading: Reading) -> Answer:
    """Find calls that were denied and ran all the same."""
    library = reading.library
    layers = {id(e): _denied_by(e) for e in library.trusted(LEDGER)}
    telemetry = _by_call(library.trusted(TELEMETRY))
    denied = [entry for entry in library.trusted(LEDGER) if layers[id(entry)]]
    broken = [(e, layers[id(e)]) for e in denied if _was_executed(e, telemetry)]
    mediated = _mediated(reading)
    through = {record.call for record, _ in broken}
    broken += [pair for pair in mediated if pair[0].call not in through]
    kinds = distinct([record for record, _ in broken])
    texts = [
        f"{call_text(r)}, denied by {layer}{_snapshot_word(reading, r)}"
        for r, layer in broken
    ]
    also = [telemetry[r.call] for r, _ in broken if r.call in telemetry]
    mediation = [m for m in library.trusted(MEDIATION) if _is_denial(m)]
    blocked = sum(not _was_executed(entry, telemetry) for entry in denied)
    return conclude(
        DENIED_AND_EXECUTED,
        found=f"{counted(len(kinds), 'denied call')} executed all the same: "
        f"{listed(texts)}. By extension: {_by_extension(kinds)}."
        if broken
        else "",
        pointers=[r.pointer for r, _ in broken] + [r.pointer for r in also],
        clear=f"{counted(blocked + len(mediation), 'denial')} read, and none of the "
        "calls was executed.",
        gaps=[
            *library.gaps(LEDGER),
            *(gap for gap in library.gaps(MEDIATION) if library.has(MEDIATION)),
            *_unresolved(reading),
        ],
        inputs=library.inputs(*reading.case.policy_digests),
    )


def _denied_by(entry: Record) -> str:
    """Return which layer denied a call by its ledger entry; empty where none did."""
    if entry.text("policy_decision") == "deny":
        return f"the static policy ({entry.text('policy_reason') or 'no reason'})"
    if entry.text("selected_action") in _BLOCKING:
        score = entry.number("risk_score")
        scored = "" if score is None else f", score {figure(score)}"
        return f"the risk controller ({entry.text('selected_action')}{scored})"
    return ""


def _was_executed(entry: Record, telemetry: Mapping[object, Record]) -> bool:
    """Return whether a call was executed, by the ledger or by its telemetry."""
    if entry.text("outcome") == "executed":
        return True
    seen = telemetry.get(entry.call)
    return seen is not None and seen.text("outcome") == "executed"


def _is_denial(record: Record) -> bool:
    """Return whether mediation denied the call."""
    return record.text("decision") == "deny"


def _mediated(reading: Reading) -> list[tuple[Record, str]]:
    """Return the commands that exec mediation denied, and that were executed."""
    outcomes = reading.library.outcomes
    return [
        (record, f"exec mediation ({_mediation_reason(record)})")
        for record in reading.library.trusted(MEDIATION)
        if _is_denial(record)
        and record.call is not None
        and outcomes.get(record.call) == "executed"
    ]


def _mediation_reason(record: Record) -> str:
    """Say why mediation decided as it did."""
    parts = (record.text("reason"), record.text("command_class"))
    return ", ".join(part for part in parts if part) or "no reason"


def _unresolved(reading: Reading) -> Iterator[str]:
    """Yield denied commands of which nothing says what became of them."""
    outcomes = reading.library.outcomes
    lost = [
        record
        for record in reading.library.trusted(MEDIATION)
        if _is_denial(record) and record.call not in outcomes
    ]
    if lost:
        calls = listed(call_text(record) for record in lost)
        yield f"no record says what became of denied commands ({calls})"


def _snapshot_word(reading: Reading, record: Record) -> str:
    """Return what the snapshot in force says of a call, where there is one."""
    decision = _decision_for(reading, record, record.text("capability"))
    if decision is None or not record.text("capability"):
        return ""
    return f"; the snapshot says {decision.decision} by {decision.reason}"


def _decision_for(
    reading: Reading, record: Record, capability: str
) -> PolicyDecision | None:
    """Return what the policy of that moment decides; None where none is known."""
    policy = reading.case.policy_at(record.moment())
    if policy is None:
        return None
    return evaluate(policy.effective, record.text("extension_id"), capability)


def _by_extension(records: list[Record]) -> str:
    """Count records for each extension, in words."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record.extension] = counts.get(record.extension, 0) + 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _by_call(records: tuple[Record, ...]) -> dict[object, Record]:
    """Return records by the call they tell of; the last one counts."""
    return {record.call: record for record in records if record.call is not None}


# --- The capability that a call needs -----------------------------------------------


def _capability_as_needed(reading: Reading) -> Answer:
    """Find calls recorded under another capability than the one they needed."""
    library = reading.library
    telemetry = _by_call(library.trusted(TELEMETRY))
    executed = _executed(reading)
    wrong = [
        (entry, why)
        for entry in executed
        if (why := _why_wrong(entry, telemetry.get(entry.call)))
    ]
    unseen = [e for e in executed if e.call not in telemetry and not _is_plain(e)]
    gaps = library.gaps(LEDGER)
    if unseen and not telemetry:
        gaps += library.gaps(TELEMETRY) or [
            "the telemetry, which says what the calls needed, is empty"
        ]
    elif library.has(TELEMETRY):
        gaps += library.gaps(TELEMETRY)
    return conclude(
        CAPABILITY_AS_NEEDED,
        found=f"{counted(len(distinct([e for e, _ in wrong])), 'call')} executed under "
        "another capability than the method needs: "
        f"{listed(f'{call_text(e)}, {why}' for e, why in wrong)}."
        if wrong
        else "",
        pointers=[
            pointer
            for entry, _ in wrong
            for pointer in _both(entry, telemetry.get(entry.call))
        ],
        clear=f"{counted(len(executed), 'executed call')} read: ledger, telemetry and "
        "caller name the capability that the method needs.",
        gaps=gaps,
        inputs=library.inputs(),
    )


def _executed(reading: Reading) -> list[Record]:
    """Return the trusted entries of calls that ran."""
    return [
        entry
        for entry in reading.library.trusted(LEDGER)
        if entry.text("outcome") == "executed"
    ]


def _both(entry: Record, seen: Record | None) -> list[Pointer]:
    """Return where the entry stands, and what telemetry saw of it."""
    return [entry.pointer] if seen is None else [entry.pointer, seen.pointer]


def _is_plain(entry: Record) -> bool:
    """Return whether the method alone says which capability a call needs."""
    return len(capabilities_of_method(entry.text("method"))) == 1


def _why_wrong(entry: Record, seen: Record | None) -> str:
    """Return what does not fit in a call's capabilities; empty where all do."""
    method = entry.text("method")
    possible = capabilities_of_method(method)
    if not possible:
        return f"and no capability covers the method {method or 'of no name'}"
    needs = " or ".join(sorted(possible))
    recorded = normalise_name(entry.text("capability"))
    if recorded not in possible:
        return f"needs {needs}, the ledger says {recorded or 'nothing'}"
    if seen is None:
        return ""
    required = normalise_name(seen.text("required_capability"))
    declared = normalise_name(seen.text("capability"))
    if required and required not in possible:
        return f"needs {needs}, the telemetry says {required}"
    if required and recorded != required:
        return f"needs {required}, the ledger says {recorded}"
    if declared and declared != (required or recorded):
        return f"needs {required or recorded}, the caller says {declared}"
    return ""


# --- The policy in force ------------------------------------------------------------


def _executed_against_policy(reading: Reading) -> Answer:
    """Find calls that ran against the policy of their moment."""
    library, case = reading.library, reading.case
    telemetry = _by_call(library.trusted(TELEMETRY))
    against = []
    executed = _executed(reading)
    for entry in executed:
        if entry.text("policy_decision") == "deny":
            continue
        needed = _needed(entry, telemetry.get(entry.call))
        decision = _decision_for(reading, entry, needed)
        if decision is None or decision.decision is not Verdict.DENY:
            continue
        if not _is_judged(reading, entry):
            continue
        against.append((entry, needed, decision))
    gaps = library.gaps(LEDGER)
    if not case.policies:
        gaps.append("no snapshot of the policy is at hand (settings.json)")
    return conclude(
        POLICY_AGREES,
        found=f"{counted(len(distinct([e for e, _, _ in against])), 'call')} executed "
        "that the policy in force denies: "
        + listed(
            f"{call_text(e)}, needs {needed}: deny by {d.reason}, and the ledger says "
            f"{e.text('policy_decision')} by {e.text('policy_reason')}"
            for e, needed, d in against
        )
        + "."
        if against
        else "",
        pointers=[entry.pointer for entry, _, _ in against],
        clear=f"{counted(len(executed), 'executed call')} read: the policy in force "
        "denies none that the ledger let through.",
        gaps=gaps,
        inputs=library.inputs(*case.policy_digests),
    )


def _is_judged(reading: Reading, entry: Record) -> bool:
    """Return whether the policy at hand can contradict an entry's own reason.

    An explanation has no word on the overrides of single extensions.
    """
    policy = reading.case.policy_at(entry.moment())
    if policy is None or policy.knows_overrides:
        return policy is not None
    return not entry.text("policy_reason").startswith("extension_")


def _needed(entry: Record, seen: Record | None) -> str:
    """Return the capability a call needed.

    As seen, else the only one its method has, else as recorded.
    """
    required = seen.text("required_capability") if seen is not None else ""
    possible = capabilities_of_method(entry.text("method"))
    if normalise_name(required) in possible:
        return normalise_name(required)
    if len(possible) == 1:
        return next(iter(possible)).value
    return normalise_name(entry.text("capability"))


def _policy_in_force(reading: Reading) -> Answer:
    """Find where the runtime explains another policy than the settings give."""
    explanation = reading.case.explanation
    assert explanation is not None
    policy = [policy for policy in reading.case.policies if policy.knows_overrides][-1]
    points = compare_policies(policy.effective, explanation.document)
    return conclude(
        RUNTIME_POLICY,
        found="The runtime works under another policy than the settings give: "
        + listed(
            f"{point.path.removeprefix('$.')} is {point.theirs} there, "
            f"{point.ours} here"
            for point in points
        )
        + "."
        if points
        else "",
        pointers=[
            Pointer(explanation.item, point.path.removeprefix("$.")) for point in points
        ],
        clear="The runtime's explanation agrees with the settings.",
        inputs=dict(reading.case.policy_digests),
    )

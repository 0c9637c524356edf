"""INC-6: which quota was breached, by how much, for how long, at whose cost?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from evidence.format.json_numbers import integer_of
from incidents.findings.case import Reading
from incidents.findings.finding import (
    Answer,
    Question,
    conclude,
    counted,
    figure,
    listed,
)
from incidents.findings.moments import moment_text, span_text
from incidents.findings.records import Record, call_text, distinct
from policy.rules.quotas import effective_max_memory_mb, has_own_quota

CODE = "INC-6"
BREACHES = Question(CODE, "breaches", "check-breach-events", "Was a quota breached?")
LIMIT_AS_CONFIGURED = Question(
    CODE,
    "limit-as-configured",
    "verify-quota-configuration",
    "Was it measured against another limit than the policy in force gives?",
    is_incident=False,
)
IMPACT = Question(
    CODE,
    "impact-on-others",
    "assess-impact",
    "Did other extensions suffer?",
    is_incident=False,
)
QUESTIONS = (BREACHES, LIMIT_AS_CONFIGURED, IMPACT)
EVENTS, TELEMETRY = "quota_breaches", "hostcall_telemetry"
# Half as slow again is seen by people; with fewer samples it may be chance.
SLOWER_RATIO, SAMPLES_MIN = 1.5, 3
# Of a hundred calls, ten more that do not succeed.
FAILED_MORE = 0.1
# A breach that is one event has no length of its own: what comes just after it counts.
AFTERMATH_MS = 60_000


@dataclass(frozen=True)
class Breach:
    """One event of a quota, as it was recorded."""

    record: Record
    resource: str
    limit: float
    actual: float
    ts_ms: int

    @property
    def is_over(self) -> bool:
        """Return whether it used more than its limit."""
        return self.actual > self.limit

    @property
    def is_memory(self) -> bool:
        """Return whether the resource is memory."""
        return "memory" in self.resource.lower()


def answer(reading: Reading) -> Iterator[Answer]:
    """Yield the answers to INC-6's questions."""
    events = reading.library.trusted(EVENTS)
    read = [_read(record) for record in events]
    breaches = [breach for breach in read if breach is not None]
    gaps = reading.library.gaps(EVENTS)
    unreadable = sum(breach is None for breach in read)
    if unreadable:
        gaps.append(f"{counted(unreadable, 'record')} of {EVENTS} cannot be read")
    over = [breach for breach in breaches if breach.is_over]
    unrecorded = _unrecorded(reading, over)
    yield _breached(reading, over, unrecorded, len(breaches), gaps)
    yield _limits(reading, over, gaps)
    yield _impact(reading, over, gaps)


def _read(record: Record) -> Breach | None:
    """Return the breach a record tells of; None where a member of it is missing."""
    limit, actual = record.number("limit"), record.number("actual")
    ts_ms = integer_of(record.members.get("ts_ms"))
    resource = record.text("resource")
    if limit is None or actual is None or ts_ms is None or not resource:
        return None
    if not record.text("extension_id"):
        return None
    return Breach(record, resource, limit, actual, ts_ms)


# --- Breaches -----------------------------------------------------------------------


def _unrecorded(reading: Reading, over: list[Breach]) -> list[tuple[Record, float]]:
    """Return calls above the memory limit in force that no breach event tells of."""
    told = {breach.record.extension for breach in over if breach.is_memory}
    found = []
    for call in reading.library.trusted(TELEMETRY):
        memory, policy = call.number("memory_mb"), reading.case.policy_at(call.moment())
        if memory is None or policy is None or call.extension in told:
            continue
        if not policy.knows_overrides:
            continue
        limit = effective_max_memory_mb(policy.effective, call.text("extension_id"))
        if memory > limit:
            found.append((call, float(limit)))
    return found


def _breached(
    reading: Reading,
    over: list[Breach],
    unrecorded: list[tuple[Record, float]],
    read: int,
    gaps: list[str],
) -> Answer:
    """Find limits that were passed, recorded as a breach or seen in a call alone."""
    groups: dict[tuple[str, str], list[Breach]] = {}
    for breach in over:
        groups.setdefault((breach.record.extension, breach.resource), []).append(breach)
    texts = [_group_text(key, group) for key, group in groups.items()]
    if unrecorded:
        texts.append(_unrecorded_text(unrecorded))
    return conclude(
        BREACHES,
        found=f"{listed(texts)}." if texts else "",
        pointers=[breach.record.pointer for breach in over]
        + [call.pointer for call, _ in unrecorded],
        clear=f"{counted(read, 'quota event')} read, none above its limit.",
        gaps=gaps,
        inputs=reading.library.inputs(*reading.case.policy_digests),
    )


def _group_text(key: tuple[str, str], group: list[Breach]) -> str:
    """Describe how often and how far an extension passed a limit."""
    extension, resource = key
    events = {id(record) for record in distinct([breach.record for breach in group])}
    once = [breach for breach in group if id(breach.record) in events]
    limits = ", ".join(figure(limit) for limit in sorted({b.limit for b in once}))
    worst = max(once, key=lambda breach: breach.actual)
    ratio = f", {worst.actual / worst.limit:.2f} times the limit" if worst.limit else ""
    first = min(breach.ts_ms for breach in once)
    last = max(breach.ts_ms for breach in once)
    duration = f", over {span_text(last - first)}" if last > first else ""
    return (
        f"{extension} breached {resource} {counted(len(once), 'time')}: "
        f"limit {limits}, worst actual {figure(worst.actual)}{ratio}{duration}, "
        f"first at {moment_text(first)}"
    )


def _unrecorded_text(calls: list[tuple[Record, float]]) -> str:
    """Name the worst call of each extension that passed its limit without a breach."""
    worst: dict[str, tuple[Record, float]] = {}
    for call, limit in calls:
        held = worst.get(call.extension)
        memory = call.number("memory_mb") or 0
        if held is None or memory > (held[0].number("memory_mb") or 0):
            worst[call.extension] = (call, limit)
    return listed(
        f"{extension} used {figure(call.number('memory_mb') or 0)} MB of memory by its "
        f"telemetry, limit {figure(limit)}, and no breach was recorded"
        for extension, (call, limit) in worst.items()
    )


# --- The limit in force -------------------------------------------------------------


def _limits(reading: Reading, over: list[Breach], gaps: list[str]) -> Answer:
    """Find breaches of a limit other than the one the policy of that moment sets."""
    memory = [breach for breach in over if breach.is_memory]
    other: list[tuple[Breach, str]] = []
    agreeing: list[tuple[Breach, str]] = []
    missing = list(gaps)
    for breach in memory:
        policy = reading.case.policy_at(breach.ts_ms)
        if policy is None or not policy.knows_overrides:
            missing.append(
                "no snapshot of the policy says which limit was in force "
                "(settings.json)"
            )
            continue
        limit = effective_max_memory_mb(policy.effective, breach.record.extension)
        own = has_own_quota(policy.effective, breach.record.extension)
        kind = "its own quota" if own else "the default quota"
        text = f"{limit} for {breach.record.extension}, {kind}"
        (agreeing if limit == breach.limit else other).append((breach, text))
    return conclude(
        LIMIT_AS_CONFIGURED,
        found="Measured against another limit than the policy in force gives: "
        + listed(
            f"{breach.record.extension} against {figure(breach.limit)}, "
            f"in force is {text}"
            for breach, text in other
        )
        + "."
        if other
        else "",
        pointers=[breach.record.pointer for breach, _ in other],
        clear=f"The limits are those in force: {listed(t for _, t in agreeing)}."
        if agreeing
        else "No breach of a configured quota was measured.",
        gaps=missing,
        inputs=reading.library.inputs(*reading.case.policy_digests),
    )


# --- What others had of it ----------------------------------------------------------


@dataclass(frozen=True)
class _Sample:
    """Calls of other extensions in one stretch of time."""

    calls: list[Record]

    @property
    def latencies(self) -> list[float]:
        """Return the latencies that the calls give, in milliseconds."""
        return [n for c in self.calls if (n := c.number("latency_ms")) is not None]

    @property
    def typical(self) -> float | None:
        """Return the median latency in milliseconds; None where no call gives one."""
        return median(self.latencies) if self.latencies else None

    @property
    def failed(self) -> int:
        """Return how many calls failed."""
        return sum(call.text("outcome") == "failed" for call in self.calls)

    def text(self, when: str) -> str:
        """Describe what these calls took and how many failed."""
        if not self.calls:
            return f"{when} no call"
        typical = "unknown" if self.typical is None else f"{figure(self.typical)} ms"
        return (
            f"{when} median {typical} over {counted(len(self.calls), 'call')}, "
            f"{self.failed} failed"
        )


def _impact(reading: Reading, over: list[Breach], gaps: list[str]) -> Answer:
    """Find whether other extensions were slower or failed more during the breaches."""
    missing = list(gaps)
    if over:
        missing += reading.library.gaps(TELEMETRY)
        if not missing and not reading.library.trusted(TELEMETRY):
            missing.append(f"{TELEMETRY} is empty")
    before, during, after = _samples(reading, over)
    slow = _is_slower(before, during)
    failing = _fails_more(before, during)
    samples = "; ".join(
        sample.text(when)
        for when, sample in (("before", before), ("during", during), ("after", after))
    )
    hurt = [c for c in during.calls if _is_hurt(c, before, slow=slow, failing=failing)]
    what = " and ".join(
        word
        for word, is_so in (("were slower", slow), ("failed more often", failing))
        if is_so
    )
    return conclude(
        IMPACT,
        found=f"Other extensions' calls {what} during the breaches: {samples}. Most "
        f"affected: {listed(call_text(call) for call in hurt)}."
        if what
        else "",
        pointers=[call.pointer for call in hurt],
        clear=f"Other extensions did not suffer: {samples}."
        if over
        else "No breach, and so nobody who could have suffered from one.",
        gaps=missing,
        inputs=reading.library.inputs(),
    )


def _samples(reading: Reading, over: list[Breach]) -> tuple[_Sample, _Sample, _Sample]:
    """Return others' calls before the first breach, until the last, and after it."""
    if not over:
        return _Sample([]), _Sample([]), _Sample([])
    offenders = {breach.record.extension for breach in over}
    others = [
        (ts_ms, call)
        for call in distinct(reading.library.trusted(TELEMETRY))
        if call.extension not in offenders and (ts_ms := call.moment()) is not None
    ]
    start, end = min(b.ts_ms for b in over), max(b.ts_ms for b in over)
    if not any(start <= ts_ms <= end for ts_ms, _ in others):
        end += AFTERMATH_MS
    return (
        _Sample([call for ts_ms, call in others if ts_ms < start]),
        _Sample([call for ts_ms, call in others if start <= ts_ms <= end]),
        _Sample([call for ts_ms, call in others if ts_ms > end]),
    )


def _is_slower(before: _Sample, during: _Sample) -> bool:
    """Return whether calls took markedly longer. Too few calls tell nothing: False."""
    if min(len(before.latencies), len(during.latencies)) < SAMPLES_MIN:
        return False
    usual, then = before.typical, during.typical
    return usual is not None and then is not None and then > usual * SLOWER_RATIO


def _fails_more(before: _Sample, during: _Sample) -> bool:
    """Return whether a markedly larger share failed.

    Too few calls tell nothing: False.
    """
    if min(len(before.calls), len(during.calls)) < SAMPLES_MIN or during.failed < 2:
        return False
    share = during.failed / len(during.calls)
    return share > before.failed / len(before.calls) + FAILED_MORE


def _is_hurt(call: Record, before: _Sample, *, slow: bool, failing: bool) -> bool:
    """Return whether a call shows the harm that the sample as a whole shows."""
    latency = call.number("latency_ms")
    usual = before.typical
    if slow and latency is not None and usual is not None:
        is_slow = latency > usual * SLOWER_RATIO
    else:
        is_slow = False
    if is_slow:
        return True
    return failing and call.text("outcome") == "failed"

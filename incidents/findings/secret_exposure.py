"""INC-2: which secret got out, to which extension, by which path?

A secret got out where the broker's record says that a variable passed unredacted, its
name is known and on a blocklist, nothing disclosed it on purpose, and the call was not
blocked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from incidents.findings.case import PolicyInput, Reading
from incidents.findings.finding import (
    Answer,
    Pointer,
    Question,
    conclude,
    counted,
    listed,
)
from incidents.findings.moments import moment_text
from incidents.findings.records import Record, distinct
from policy.rules.secrets import (
    DEFAULT_BROKER,
    SecretBrokerPolicy,
    is_allowlisted,
    matching_pattern,
    name_for_hash,
)

CODE = "INC-2"
SECRET_EXPOSED = Question(
    CODE, "secret-exposed", "identify-exposure", "Did a secret reach an extension?"
)
BROKER_OFF = Question(
    CODE,
    "broker-off",
    "verify-broker-enabled",
    "Was the secret broker off?",
    is_incident=False,
)
PATTERN_GAP = Question(
    CODE,
    "pattern-gap",
    "check-broker-configuration",
    "Did a secret pass because no pattern of the broker covers it?",
    is_incident=False,
)
EXPOSURE_PATH = Question(
    CODE,
    "exposure-path",
    "examine-exposure-path",
    "By which paths did secrets get out?",
    is_incident=False,
)
QUESTIONS = (SECRET_EXPOSED, BROKER_OFF, PATTERN_GAP, EXPOSURE_PATH)
BROKER = "secret_broker"
_ALLOWLISTED, _NOT_SECRET = "allowlisted", "not_secret"
_HASH_SHOWN = 12


@dataclass(frozen=True)
class Passed:
    """A variable that passed unredacted: its name, and what should have caught it.

    ``pattern`` is that of the broker's own lists; ``default_pattern`` of the runtime's
    default ones. ``entry``: an entry of the allowlist let it pass.
    """

    record: Record
    name: str | None
    pattern: str
    default_pattern: str
    entry: bool
    policy: PolicyInput | None

    @property
    def is_secret(self) -> bool:
        """Return whether a pattern, the policy's or the default, names a secret."""
        return bool(self.pattern or self.default_pattern)

    @property
    def is_on_purpose(self) -> bool:
        """Return whether it was disclosed on purpose.

        By the allowlist in force; by the record's own word only where nothing says
        what that list was.
        """
        claims = self.record.text("reason") == _ALLOWLISTED
        return self.entry or (claims and self.policy is None)

    @property
    def is_exposed(self) -> bool:
        """Return whether a secret was handed out that nobody meant to."""
        return self.is_secret and not self.is_on_purpose


def answer(reading: Reading) -> Iterator[Answer]:
    """Yield the answers to INC-2's questions."""
    passed = [_passed(reading, record) for record in _delivered(reading)]
    exposed = [given for given in passed if given.is_exposed]
    gaps = [*reading.library.gaps(BROKER), *_unreadable(reading), *_nameless(passed)]
    yield _secret_exposed(reading, exposed, passed, gaps)
    yield _broker_off(reading)
    yield _pattern_gap(reading, exposed, passed, gaps)
    yield _exposure_path(reading, exposed, gaps)


def _delivered(reading: Reading) -> Iterator[Record]:
    """Yield what the broker let through, of calls that were not blocked."""
    outcomes = reading.library.outcomes
    for record in reading.library.trusted(BROKER):
        is_blocked = record.call is not None and outcomes.get(record.call) == "blocked"
        if record.members.get("redacted") is False and not is_blocked:
            yield record


def _unreadable(reading: Reading) -> Iterator[str]:
    """Yield records that do not say whether the value was withheld."""
    records = reading.library.trusted(BROKER)
    count = sum(not isinstance(r.members.get("redacted"), bool) for r in records)
    if count:
        noun = counted(count, "record")
        yield f"{noun} of {BROKER} cannot be read: redacted is neither true nor false"


def _passed(reading: Reading, record: Record) -> Passed:
    """Judge one hand-over by the policy of its moment."""
    policy = reading.case.policy_at(record.moment())
    broker = policy.effective.secret_broker if policy else DEFAULT_BROKER
    name = _name_of(reading, record, broker)
    knows_lists = policy is not None and policy.knows_overrides
    return Passed(
        record=record,
        name=name,
        pattern=matching_pattern(name, broker) if name else "",
        default_pattern=matching_pattern(name, DEFAULT_BROKER) if name else "",
        entry=name is not None and is_allowlisted(name, broker),
        policy=policy if knows_lists else None,
    )


def _name_of(
    reading: Reading, record: Record, broker: SecretBrokerPolicy
) -> str | None:
    """Return the name behind a hash; None where it is not known."""
    name_hash = record.text("name_hash").lower()
    known = reading.case.names_by_hash.get(name_hash)
    return known or name_for_hash(name_hash, broker) or name_for_hash(name_hash)


def _nameless(passed: list[Passed]) -> Iterator[str]:
    """Yield what passed under a name that nobody can tell.

    A name that is known to be no secret's, and a hash at hand that the broker itself
    took for no secret and no dictionary has, are no gap.
    """
    redacted = [p for p in passed if p.record.is_redacted("name_hash")]
    if redacted:
        yield (
            f"the names of {counted(len(redacted), 'variable')} that passed are "
            f"redacted (name_hash), to {_receivers(redacted)}"
        )
    missing = [
        p
        for p in passed
        if not p.record.text("name_hash") and not p.record.is_redacted("name_hash")
    ]
    if missing:
        records = counted(len(missing), "record")
        yield f"{records} of {BROKER} without a name_hash, to {_receivers(missing)}"
    unknown = [
        p
        for p in passed
        if p.name is None
        and p.record.text("name_hash")
        and p.record.text("reason") != _NOT_SECRET
    ]
    if unknown:
        hashes = listed(p.record.text("name_hash")[:_HASH_SHOWN] + "…" for p in unknown)
        yield (
            f"which names are behind the name_hash {hashes} of variables that passed "
            f"to {_receivers(unknown)}"
        )


def _receivers(passed: list[Passed]) -> str:
    """Name the extensions that received."""
    return ", ".join(sorted({p.record.extension for p in passed}))


# --- The questions ------------------------------------------------------------------


def _secret_exposed(
    reading: Reading, exposed: list[Passed], passed: list[Passed], gaps: list[str]
) -> Answer:
    """Find secrets that reached an extension."""
    groups: dict[tuple[str, str, str], list[Passed]] = {}
    for given in exposed:
        path = given.record.text("exposure_path") or "an unknown path"
        groups.setdefault((given.name or "", given.record.extension, path), []).append(
            given
        )
    names = listed(sorted({given.name or "" for given in exposed}))
    on_purpose = [p for p in passed if p.is_secret and p.is_on_purpose]
    note = (
        f" {counted(len(on_purpose), 'disclosure')} on purpose: "
        + listed(_purpose_text(p) for p in on_purpose)
        + "."
        if on_purpose
        else ""
    )
    return conclude(
        SECRET_EXPOSED,
        found=f"{listed(_group_text(key, group) for key, group in groups.items())}. "
        f"Rotate {names}."
        if exposed
        else "",
        pointers=[given.record.pointer for given in exposed],
        clear=f"{counted(len(passed), 'variable')} passed the broker, and none is a "
        f"secret that was to be withheld.{note}",
        gaps=gaps,
        inputs=reading.library.inputs(*reading.case.policy_digests),
    )


def _group_text(key: tuple[str, str, str], group: list[Passed]) -> str:
    """Describe which secret reached whom, how often, by which path and when."""
    name, extension, path = key
    records = distinct([given.record for given in group])
    moments = sorted(m for r in records if (m := r.moment()) is not None)
    first, last = (moments[0], moments[-1]) if moments else (None, None)
    when = f"at {moment_text(first)}"
    if len(records) > 1:
        when = (
            f"{len(records)} times, first {moment_text(first)}, "
            f"last {moment_text(last)}"
        )
    return f"{name} reached {extension} by {path} {when} ({_caught(group[0])})"


def _caught(given: Passed) -> str:
    """Return what should have caught a name."""
    if given.pattern:
        return f"{given.pattern} should have caught it"
    return f"no configured pattern covers it; by default {given.default_pattern} would"


def _purpose_text(given: Passed) -> str:
    """Say why a hand-over was meant."""
    receiver = f"{given.name} to {given.record.extension}"
    if given.entry:
        return f"{receiver}, by its entry of disclosureAllowlist"
    return f"{receiver}, which the broker's record calls allowlisted"


def _broker_off(reading: Reading) -> Answer:
    """Find policies that switch the secret broker off."""
    case = reading.case
    off = [
        policy
        for policy in case.policies
        if policy.knows_overrides and not policy.effective.secret_broker.enabled
    ]
    word = case.explanation.document.secret_broker_enabled if case.explanation else None
    known = word is not None or any(p.knows_overrides for p in case.policies)
    texts = [f"off in {policy.item}{_since(policy)}" for policy in off]
    pointers = [
        Pointer(policy.item, "extensionPolicy.secretBroker.enabled") for policy in off
    ]
    if word is False and case.explanation is not None:
        texts.append(f"off by the runtime's own explanation {case.explanation.item}")
        pointers.append(Pointer(case.explanation.item, "secret_broker_enabled"))
    return conclude(
        BROKER_OFF,
        found=f"The secret broker was {listed(texts)}." if texts else "",
        pointers=pointers,
        clear="The secret broker was on: enabled is true"
        + "".join(f" in {policy.item}" for policy in case.policies[:1])
        + ".",
        gaps=()
        if known
        else ("no snapshot of the policy says whether the broker was on",),
        inputs=dict(case.policy_digests),
    )


def _since(policy: PolicyInput) -> str:
    """Say since when a policy is known; "" where that is not."""
    return (
        ""
        if policy.since_ms is None
        else f", known since {moment_text(policy.since_ms)}"
    )


def _pattern_gap(
    reading: Reading, exposed: list[Passed], passed: list[Passed], gaps: list[str]
) -> Answer:
    """Find secrets that the default's patterns know and the policy's do not."""
    uncovered = [given for given in exposed if not given.pattern]
    secret = [given for given in passed if given.is_secret]
    missing = list(gaps)
    if secret and any(given.policy is None for given in secret):
        missing.append(
            "no snapshot of the policy is at hand, so that the broker's lists and its "
            "disclosureAllowlist are not known"
        )
    covered = listed(
        f"{given.name} is covered by {given.pattern}"
        for given in exposed
        if given.pattern
    )
    allowed = listed(_purpose_text(given) for given in secret if given.is_on_purpose)
    notes = "; ".join(note for note in (covered, allowed) if note)
    return conclude(
        PATTERN_GAP,
        found="The broker's lists do not cover "
        + listed(
            f"{given.name}: of the default lists, {given.default_pattern} would"
            for given in uncovered
        )
        + "."
        if uncovered
        else "",
        pointers=[given.record.pointer for given in uncovered],
        clear=f"No secret passed for want of a pattern{': ' * bool(notes)}{notes}.",
        gaps=missing,
        inputs=reading.library.inputs(*reading.case.policy_digests),
    )


def _exposure_path(reading: Reading, exposed: list[Passed], gaps: list[str]) -> Answer:
    """Name the paths by which secrets got out."""
    by_path: dict[str, list[Passed]] = {}
    for given in exposed:
        path = given.record.text("exposure_path") or "an unknown path"
        by_path.setdefault(path, []).append(given)
    texts = [
        f"{path} ({len(distinct([p.record for p in group]))}: "
        f"{listed(sorted({p.name or '' for p in group}))})"
        for path, group in sorted(by_path.items(), key=lambda pair: -len(pair[1]))
    ]
    return conclude(
        EXPOSURE_PATH,
        found=f"Secrets got out by {listed(texts)}." if texts else "",
        pointers=[given.record.pointer for given in exposed],
        clear="By no path: no secret got out.",
        gaps=gaps,
        inputs=reading.library.inputs(*reading.case.policy_digests),
    )

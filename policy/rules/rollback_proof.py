"""The proof of a rollback: a later snapshot, held against what is planned.

Guarantees: nothing counts as proved that any part of the proof contradicts. The
parts are the settings as we read them, the runtime's own explanation, and the
output of the verification commands. The explanation is the runtime's word on what
is in force, so it wins over our reading of the file: where it says otherwise, the
rollback is not verified, whatever the file says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policy.rules.comparison import (
    ALL_EXTENSIONS,
    compare_brokers,
    compare_risk,
    named_capabilities,
)
from policy.rules.documents import read_object
from policy.rules.errors import DocumentError, Fault
from policy.rules.explanation import (
    ABSENT,
    Disagreement,
    ExplanationDocument,
    compare_with_explanation,
    interpret_explanation,
)
from policy.rules.precedence import EffectivePolicy, evaluate, find_profile
from policy.rules.quotas import effective_max_memory_mb
from policy.rules.risk import RiskSettings
from policy.rules.settings_document import SettingsSnapshot


@dataclass(frozen=True)
class RollbackDeviation:
    """One thing that is not as planned. `subject` names a decision or a setting."""

    subject: str
    planned: str
    actual: str
    message: str


def find_deviations(
    target: SettingsSnapshot,
    new: SettingsSnapshot,
    *,
    explanation: ExplanationDocument | None = None,
    output: str = "",
) -> list[RollbackDeviation]:
    """Return every point of a proof that is not as the target has it; empty: proved.

    `target` is the plan's `after` document, interpreted; `new` the settings of the
    proof, `explanation` the runtime's own word at that moment, `output` what the
    verification commands showed. Decisions for extensions that the target does not
    name are compared too: an override added since is a deviation where it changes a
    decision.
    """
    return [
        *_explained_otherwise(target, explanation),
        *_shown_otherwise(target, output),
        *_deviating_decisions(target.effective, new.effective),
        *_deviating_quotas(target.effective, new.effective),
        *_deviating_risk(target.settings.risk, new.settings.risk),
        *_deviating_broker(target.effective, new.effective),
        *_faults_as_deviations(new.settings.faults),
    ]


EXPLANATION: Final = "the runtime's explanation"
OUTPUT: Final = "the output of the commands"
_RISK_MEMBERS: Final = ("extensionRisk", "extension_risk", "risk")
# An explanation is some 4 kB: an output with more objects than this holds no more.
_MAX_OBJECTS: Final = 20
_STATED: Final = re.compile(
    r"^\W*(requested_profile|effective_profile|profile_source|mode|allow_dangerous"
    r"|secret_broker_enabled)\W*[:=]\s*[\"'`]?([A-Za-z_-]+)",
    re.MULTILINE,
)
_FAILED_TESTS: Final = re.compile(r"^test result: FAILED.*$", re.MULTILINE)


def _explained_otherwise(
    target: SettingsSnapshot, explanation: ExplanationDocument | None
) -> list[RollbackDeviation]:
    """Return where the explanation contradicts the plan, leaves out or is unclear."""
    if explanation is None:
        return []
    return [
        *_contradictions(target, explanation, EXPLANATION),
        *(
            RollbackDeviation(
                f"{fault.path} of {EXPLANATION}",
                "an explanation that can be read",
                fault.code,
                f"{EXPLANATION.capitalize()} cannot be read at {fault.path}: "
                f"{fault.message}",
            )
            for fault in explanation.faults
        ),
    ]


def _contradictions(
    target: SettingsSnapshot, explanation: ExplanationDocument, part: str
) -> Iterator[RollbackDeviation]:
    """Yield where an explanation says other than what is planned."""
    for point in compare_with_explanation(target.effective, explanation):
        yield _contradiction(part, point)
    yield from _explained_risk(target.settings.risk, explanation, part)


def _contradiction(part: str, point: Disagreement) -> RollbackDeviation:
    """Return one such point as a deviation."""
    return RollbackDeviation(
        f"{point.path} of {part}",
        point.ours,
        point.theirs,
        f"{part.capitalize()} has {point.theirs} at {point.path}; {point.ours} is "
        f"planned. {point.meaning}",
    )


def _explained_risk(
    planned: RiskSettings, explanation: ExplanationDocument, part: str
) -> Iterator[RollbackDeviation]:
    """Yield what a risk section says otherwise; not every runtime prints one."""
    document = explanation.redacted_document
    wanted = planned.as_json()
    by_plain_name = {name.lower(): name for name in wanted}
    for member in _RISK_MEMBERS:
        section = document.get(member)
        for spelled, value in section.items() if isinstance(section, Mapping) else ():
            name = by_plain_name.get(spelled.replace("_", "").lower())
            if name is not None and not _is_same(value, wanted[name]):
                path = f"$.{member}.{spelled}"
                point = Disagreement(
                    path,
                    json.dumps(wanted[name]),
                    json.dumps(value),
                    "The risk controller works by other settings.",
                )
                yield _contradiction(part, point)


def _is_same(value: object, wanted: object) -> bool:
    """Return whether values are equal; 1 and true are not."""
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _shown_otherwise(target: SettingsSnapshot, output: str) -> list[RollbackDeviation]:
    """Return where the pasted output of the commands contradicts the plan."""
    found: list[RollbackDeviation] = []
    plain = output
    for text in _objects_in(output):
        plain = plain.replace(text, "")
        explanation = _as_explanation(text)
        if explanation is not None:
            # What was pasted may be a part: what it leaves out is no contradiction.
            points = _contradictions(target, explanation, OUTPUT)
            found += [point for point in points if point.actual != ABSENT]
    found += _stated_otherwise(target.effective, plain)
    found += [
        RollbackDeviation(
            "the compatibility tests",
            "test result: ok",
            "test result: FAILED",
            f"{OUTPUT.capitalize()} says: {line}",
        )
        for line in _FAILED_TESTS.findall(output)
    ]
    return found


def _objects_in(output: str) -> list[str]:
    """Return the JSON objects that begin a line, as they are written there."""
    decoder, found, position = json.JSONDecoder(), [], 0
    for start in list(re.finditer(r"^[ \t]*\{", output, re.MULTILINE))[:_MAX_OBJECTS]:
        begins = start.end() - 1
        if begins < position:
            continue
        try:
            _, position = decoder.raw_decode(output, begins)
        except (ValueError, RecursionError):
            continue
        found.append(output[begins:position])
    return found


def _as_explanation(text: str) -> ExplanationDocument | None:
    """Return an object as an explanation; None where it is something else."""
    try:
        document = read_object(text.encode("utf-8", "replace"))
    except DocumentError:
        return None
    is_one = {"effective_profile", "capability_decisions"} & document.keys()
    return interpret_explanation(document) if is_one else None


def _stated_otherwise(
    planned: EffectivePolicy, output: str
) -> Iterator[RollbackDeviation]:
    """Yield lines such as `effective_profile: permissive` that contradict the plan."""
    wanted = {
        "requested_profile": str(planned.requested_profile or ""),
        "effective_profile": str(planned.effective_profile),
        "profile_source": str(planned.profile_source),
        "mode": str(planned.mode),
        "allow_dangerous": str(planned.allow_dangerous).lower(),
        "secret_broker_enabled": str(planned.secret_broker.enabled).lower(),
    }
    for name, value in _STATED.findall(output):
        if not _means(name, value, wanted[name]):
            meaning = "The runtime does not work as planned."
            yield _contradiction(
                OUTPUT, Disagreement(name, wanted[name], value, meaning)
            )


def _means(name: str, value: str, wanted: str) -> bool:
    """Return whether two words of an output mean the same; profiles have aliases."""
    if name.endswith("_profile"):
        return (find_profile(value) or value.lower()) == (
            find_profile(wanted) or wanted.lower()
        )
    return value.lower() == wanted.lower()


def _deviating_broker(
    planned: EffectivePolicy, actual: EffectivePolicy
) -> list[RollbackDeviation]:
    """Return where the secret broker is not as planned."""
    return [
        RollbackDeviation(
            effect.path,
            effect.before,
            effect.after,
            f"{effect.path} is {effect.after}; {effect.before} is planned. "
            f"{effect.meaning}",
        )
        for effect in compare_brokers(planned, actual)
    ]


def _deviating_risk(
    planned: RiskSettings, actual: RiskSettings
) -> list[RollbackDeviation]:
    """Return where the risk settings are not as planned."""
    return [
        RollbackDeviation(
            effect.path,
            effect.before,
            effect.after,
            f"{effect.path} is {effect.after}; {effect.before} is planned.",
        )
        for effect in compare_risk(planned, actual)
    ]


def _faults_as_deviations(faults: Iterable[Fault]) -> list[RollbackDeviation]:
    """Return the faults of a settings file as deviations."""
    return [
        RollbackDeviation(
            fault.path,
            "a sound settings file",
            fault.code,
            f"{fault.path}: {fault.message}",
        )
        for fault in faults
    ]


def _deviating_decisions(
    planned: EffectivePolicy, actual: EffectivePolicy
) -> list[RollbackDeviation]:
    """Return the capabilities that are decided otherwise than planned."""
    extensions = sorted(planned.per_extension.keys() | actual.per_extension.keys())
    found = []
    for extension in (None, *extensions):
        for capability in named_capabilities(planned, actual):
            wanted = evaluate(planned, extension, capability)
            got = evaluate(actual, extension, capability)
            if wanted.decision is not got.decision:
                scope = ALL_EXTENSIONS if extension is None else extension
                found.append(
                    RollbackDeviation(
                        f"{capability} for {scope}",
                        wanted.decision,
                        got.decision,
                        f"{capability} for {scope} is decided {got.decision} "
                        f"({got.reason}); {wanted.decision} is planned.",
                    )
                )
    return found


def _deviating_quotas(
    planned: EffectivePolicy, actual: EffectivePolicy
) -> list[RollbackDeviation]:
    """Return the memory quotas that are not as planned, in MB."""
    found = []
    for extension in sorted(planned.per_extension.keys() | actual.per_extension.keys()):
        wanted = effective_max_memory_mb(planned, extension)
        got = effective_max_memory_mb(actual, extension)
        if wanted != got:
            found.append(
                RollbackDeviation(
                    f"memory quota of {extension}",
                    f"{wanted} MB",
                    f"{got} MB",
                    f"The memory quota of {extension} is {got} MB; {wanted} MB is "
                    "planned.",
                )
            )
    return found

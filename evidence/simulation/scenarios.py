"""What goes wrong in a simulated run: nothing, one of INC-1 … INC-6, or a bent record.

A scenario bends calls as they happen (`bend`), adds what the runtime would notice
(`witness`), or spoils the finished document (`spoil`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from evidence.simulation import spoiling
from evidence.simulation.runtime import (
    ENV,
    EXEC,
    EXTENSIONS,
    HTTP,
    MEMORY_LIMIT_MB,
    Call,
    Habit,
    Records,
    SimulatedExtension,
    add_alert,
    add_breach,
    add_exposure,
)

GIT_HELPER, WEATHER, TEST_RUNNER, NODE_TOOLS, _ = EXTENSIONS
EVERY_NTH_CALL = 9
EXPOSED_VARIABLES = ("DATABASE_URL", "OPENAI_API_KEY")
EXPOSURE_HABITS = ((ENV, "env.read"), (EXEC, "exec"), (HTTP, "http"))


class UnknownScenario(ValueError):
    """No scenario has this name."""


@dataclass(frozen=True)
class Scenario:
    """A run's story. `at` runs from 0 (first call) to 1 (last)."""

    name: str
    summary: str
    bend: Callable[[Call, float], Call] = lambda call, at: call
    witness: Callable[[Records, Call, float], None] = lambda records, call, at: None
    spoil: Callable[[dict[str, Any], Random], None] | None = None


def find_scenario(name: str) -> Scenario:
    """Return the scenario; raise UnknownScenario with the names there are."""
    scenario = SCENARIOS.get(name)
    if scenario is None:
        raise UnknownScenario(
            f"there is no scenario {name!r}; choose one of {', '.join(SCENARIOS)}"
        )
    return scenario


def _is_culprit_turn(call: Call, at: float, *, start: float) -> bool:
    """Return whether this call is the culprit's: often enough in the shortest run."""
    return at >= start and (call.number % EVERY_NTH_CALL == 0 or at == 1.0)


def _made_by(
    call: Call, extension: SimulatedExtension, habit: Habit, **changes: Any
) -> Call:
    return replace(
        call,
        extension=extension,
        habit=habit,
        operation=habit.operations[0],
        declared_capability=changes.pop("declared_capability", habit.capability),
        **changes,
    )


def _risk(base: float, call: Call) -> float:
    """Return a score that varies as the ordinary call's would have."""
    return round(min(0.99, base + 0.5 * call.score), 6)


def _bend_denied_call_executed(call: Call, at: float) -> Call:
    if not _is_culprit_turn(call, at, start=0.6):
        return call
    return _made_by(
        call,
        GIT_HELPER,
        EXEC,
        declared_capability="tool",
        decision="deny",
        reason="deny_caps",
        action="deny",
        outcome="executed",
        score=_risk(0.71, call),
        triggers=("dangerous_capability", "capability_mismatch"),
    )


def _witness_denied_call_executed(records: Records, call: Call, at: float) -> None:
    if "capability_mismatch" in call.triggers:
        add_alert(
            records,
            call,
            category="policy_violation",
            severity="critical",
            summary="A denied exec call was executed.",
            remediation="Stop the extension and inspect the dispatch path.",
        )


def _bend_exposure(call: Call, at: float) -> Call:
    if not _is_culprit_turn(call, at, start=0.5):
        return call
    habit, _ = EXPOSURE_HABITS[call.number // EVERY_NTH_CALL % len(EXPOSURE_HABITS)]
    return _made_by(
        call,
        NODE_TOOLS,
        habit,
        decision="allow",
        reason="extension_allow",
        action="allow",
        outcome="executed",
        score=_risk(0.47, call),
        triggers=("secret_access",),
    )


def _witness_exposure(records: Records, call: Call, at: float) -> None:
    if call.triggers == ("secret_access",):
        path = next(path for habit, path in EXPOSURE_HABITS if habit is call.habit)
        variable = EXPOSED_VARIABLES[call.number % len(EXPOSED_VARIABLES)]
        add_exposure(records, call, variable=variable, path=path)


def _witness_broken_ledger(records: Records, call: Call, at: float) -> None:
    if at == 1.0:
        add_alert(
            records,
            call,
            category="ledger_integrity",
            severity="critical",
            summary="Hash chain verification failed.",
            remediation="Verify the exported ledger and keep the original.",
        )


def _bend_scanner_bypass(call: Call, at: float) -> Call:
    if not _is_culprit_turn(call, at, start=0.4):
        return call
    return _made_by(
        call,
        NODE_TOOLS,
        EXEC,
        declared_capability="tool",
        decision="allow",
        reason="extension_allow",
        action="harden",
        outcome="executed",
        score=_risk(0.66, call),
        triggers=("unscanned_module", "computed_require"),
    )


def _witness_scanner_bypass(records: Records, call: Call, at: float) -> None:
    if "unscanned_module" in call.triggers:
        add_alert(
            records,
            call,
            category="scanner_bypass",
            severity="error",
            summary="A module that the scan did not report was loaded.",
            remediation="Scan the extension's source again and keep it as evidence.",
        )


def _bend_quarantine_escape(call: Call, at: float) -> Call:
    mine = call.extension is WEATHER or _is_culprit_turn(call, at, start=0.4)
    if at < 0.4 or not mine:
        return call
    escaped = at >= 0.6
    return _made_by(
        call,
        WEATHER,
        HTTP,
        decision="allow" if escaped else "deny",
        reason="default_caps" if escaped else "extension_deny",
        action="allow" if escaped else "deny",
        outcome="executed" if escaped else "blocked",
        score=_risk(0.58, call),
        triggers=("quarantined_extension",),
    )


def _witness_quarantine_escape(records: Records, call: Call, at: float) -> None:
    if call.triggers == ("quarantined_extension",) and call.outcome == "executed":
        add_alert(
            records,
            call,
            category="quarantine_escape",
            severity="critical",
            summary="A quarantined extension's call was executed.",
            remediation="Check the trust transitions and the kill switch.",
        )


def _bend_memory_growth(call: Call, at: float) -> Call:
    if not (_is_culprit_turn(call, at, start=0.3) or call.extension is TEST_RUNNER):
        return call
    growth = 1.0 + max(0.0, at - 0.3) * 4.5
    return replace(
        call,
        extension=TEST_RUNNER,
        memory_mb=round(TEST_RUNNER.memory_mb * growth, 1),
        latency_ms=int(call.latency_ms * growth),
    )


def _witness_memory_growth(records: Records, call: Call, at: float) -> None:
    if call.extension is TEST_RUNNER and call.memory_mb > MEMORY_LIMIT_MB:
        add_breach(
            records,
            call,
            resource="max_memory_mb",
            limit=MEMORY_LIMIT_MB,
            actual=call.memory_mb,
        )


_ALL = (
    Scenario("clean", "An ordinary day: some refusals, nothing wrong."),
    Scenario(
        "inc-1",
        "INC-1: denied calls were executed under a false declared capability.",
        _bend_denied_call_executed,
        _witness_denied_call_executed,
    ),
    Scenario(
        "inc-2",
        "INC-2: secrets reached an extension by env.read, exec and http.",
        _bend_exposure,
        _witness_exposure,
    ),
    Scenario(
        "inc-3",
        "INC-3: ledger entries were rewritten and the bundle was sealed again.",
        witness=_witness_broken_ledger,
        spoil=spoiling.rewrite_entries,
    ),
    Scenario(
        "inc-4",
        "INC-4: an extension loaded a module by a computed name.",
        _bend_scanner_bypass,
        _witness_scanner_bypass,
    ),
    Scenario(
        "inc-5",
        "INC-5: a quarantined extension went on without a promotion.",
        _bend_quarantine_escape,
        _witness_quarantine_escape,
    ),
    Scenario(
        "inc-6",
        "INC-6: an extension outgrew its memory quota.",
        _bend_memory_growth,
        _witness_memory_growth,
    ),
    Scenario(
        "tampered-entry",
        "One entry was rewritten with a new hash of its own.",
        spoil=spoiling.rehash_entry,
    ),
    Scenario(
        "tampered-removed", "Entries were cut out.", spoil=spoiling.remove_entries
    ),
    Scenario(
        "tampered-swapped", "Two entries changed places.", spoil=spoiling.swap_entries
    ),
    Scenario(
        "tampered-summary",
        "The summary claims fewer blocked calls.",
        spoil=spoiling.lie_in_summary,
    ),
    Scenario(
        "tampered-seal",
        "The content was changed after sealing.",
        spoil=spoiling.change_after_sealing,
    ),
    Scenario(
        "corrupt-entry",
        "One entry went bad where it lay.",
        spoil=spoiling.corrupt_entry,
    ),
    Scenario(
        "corrupt-member",
        "One entry's score became a word.",
        spoil=spoiling.break_member,
    ),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}

"""The format once more, as plainly as it can be said, to hold the engine against.

Nothing here is shared with evidence.format: the standard library's parser and rfc8785
do the work, and every rule is written out per entry, without regard to speed.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import rfc8785

SECTIONS = (
    "security_alerts",
    "hostcall_telemetry",
    "exec_mediation",
    "secret_broker",
    "quota_breaches",
)
STEP = [
    "sequence",
    "ts_ms",
    "extension_id",
    "call_id",
    "capability",
    "method",
    "policy_decision",
    "policy_reason",
    "risk_score",
    "selected_action",
    "outcome",
    "triggers",
]
RANK = [
    "schema_mismatch",
    "malformed_entry",
    "duplicate_entry",
    "sequence_out_of_order",
    "missing_entries",
    "prev_hash_mismatch",
    "hash_mismatch",
    "entry_count_mismatch",
    "head_hash_mismatch",
    "tail_hash_mismatch",
]
CHOICES = {
    "policy_decision": ["allow", "prompt", "deny"],
    "selected_action": ["allow", "harden", "deny", "terminate"],
    "outcome": ["executed", "blocked", "failed"],
}
TEXTS = [
    "extension_id",
    "call_id",
    "capability",
    "method",
    "params_hash",
    "policy_reason",
    "ledger_hash",
]
FLAGS = {
    "redact_params_hash": [
        ("entries", "params_hash"),
        ("hostcall_telemetry", "params_hash"),
    ],
    "redact_context_hash": [("security_alerts", "context_hash")],
    "redact_args_shape_hash": [("hostcall_telemetry", "args_shape_hash")],
    "redact_command_hash": [("exec_mediation", "command_hash")],
    "redact_name_hash": [("secret_broker", "name_hash")],
    "redact_remediation": [("security_alerts", "remediation")],
}


def floats(value: Any) -> Any:
    """Make every number a double, which rfc8785 writes whatever its size."""
    if isinstance(value, dict):
        return {name: floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [floats(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def canonical(value: Any) -> bytes:
    return rfc8785.dumps(floats(value))


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


def is_integer(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def malformed(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return True
    rules = {
        "sequence": lambda v: is_integer(v) and v >= 1,
        "ts_ms": is_integer,
        "risk_score": is_number,
        "triggers": lambda v: (
            isinstance(v, list) and all(isinstance(item, str) for item in v)
        ),
        "prev_ledger_hash": lambda v: v is None or isinstance(v, str),
    }
    rules |= {name: (lambda v: isinstance(v, str)) for name in TEXTS}
    rules |= {
        name: (lambda v, allowed=allowed: v in allowed)
        for name, allowed in CHOICES.items()
    }
    return any(
        name not in entry or not rule(entry[name]) for name, rule in rules.items()
    )


def place(entry: Any) -> int | None:
    sequence = entry.get("sequence") if isinstance(entry, dict) else None
    return int(sequence) if is_integer(sequence) and sequence >= 1 else None


def stated(entry: Any, name: str = "ledger_hash") -> str | None:
    value = entry.get(name) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else None


def verify_ledger(ledger: dict[str, Any], filtered: bool = False) -> dict[str, Any]:
    entries = ledger["entries"]
    count = len(entries)
    bad = [malformed(entry) for entry in entries]
    errors: list[tuple[int, str]] = []
    gaps = []
    verified = redacted = 0
    seen: set[int] = set()
    if ledger.get("schema") != "pi.security.runtime_risk_ledger.v1":
        errors.append((0, "schema_mismatch"))
    for index, entry in enumerate(entries):
        hidden = isinstance(entry, dict) and entry.get("params_hash") == "[REDACTED]"
        redacted += hidden
        sequence = place(entry)
        if bad[index]:
            errors.append((index, "malformed_entry"))
        else:
            assert sequence is not None
            judged = index == 0 or not bad[index - 1]
            before = place(entries[index - 1]) if index else None
            if sequence in seen:
                errors.append((index, "duplicate_entry"))
            elif judged and before is not None:
                if sequence < before:
                    errors.append((index, "sequence_out_of_order"))
                elif sequence > before + 1 and before + 1 not in seen:
                    if filtered:
                        gaps.append(
                            {"after_sequence": before, "before_sequence": sequence}
                        )
                    else:
                        errors.append((index, "missing_entries"))
            link = entry["prev_ledger_hash"]
            follows = before is not None and sequence == before + 1
            if judged and (
                (follows and link != stated(entries[index - 1]))
                or (link is None and sequence > 1)
                or (link is not None and sequence == 1)
            ):
                errors.append((index, "prev_hash_mismatch"))
            if not hidden:
                if digest(without(entry, "ledger_hash")) == entry["ledger_hash"]:
                    verified += 1
                else:
                    errors.append((index, "hash_mismatch"))
        if sequence is not None:
            seen.add(sequence)
    if not is_integer(ledger.get("entry_count")) or ledger["entry_count"] != count:
        errors.append((count, "entry_count_mismatch"))
    head = stated(entries[0]) if entries else None
    tail = stated(entries[-1]) if entries else None
    if ledger.get("head_ledger_hash", 0) != head:
        errors.append((0, "head_hash_mismatch"))
    if ledger.get("tail_ledger_hash", 0) != tail:
        errors.append((max(count - 1, 0), "tail_hash_mismatch"))
    errors.sort(key=lambda error: (error[0], RANK.index(error[1])))
    own = [error for error in errors if 1 <= RANK.index(error[1]) <= 6]
    deciding = own or errors
    first = deciding[0][0] if deciding else None
    return {
        "chain_valid": not errors,
        "entry_count": count,
        "verified_entries": verified,
        "redacted_entries": redacted,
        "gaps": gaps,
        "verification_errors": [
            {"index": index, "sequence": shown(entries, index), "code": code}
            for index, code in errors
        ],
        "break_index": first,
        "trusted_prefix": count if first is None else first,
        "diagnosis": diagnosis(entries, errors, own, filtered),
    }


def shown(entries: list[Any], index: int) -> Any:
    entry = entries[index] if index < len(entries) else None
    sequence = entry.get("sequence") if isinstance(entry, dict) else None
    return sequence if is_number(sequence) else None


def diagnosis(
    entries: list[Any], errors: list[Any], own: list[Any], filtered: bool
) -> str:
    if not errors:
        return "intact"
    if len(own) != 1 or own[0][1] not in ("hash_mismatch", "malformed_entry"):
        return "tampering"
    index, code = own[0]
    if code == "hash_mismatch":
        return "corruption"
    entry = entries[index]
    if not isinstance(entry, dict) or "prev_ledger_hash" not in entry:
        return "tampering"
    link = entry["prev_ledger_hash"]
    if index == 0:
        back = isinstance(link, str) if place(entry) != 1 else link is None
        back = back or (place(entry) is None and link is None)
    else:
        back = linked(entries[index - 1], entry, filtered)
    on = index == len(entries) - 1 or linked(entry, entries[index + 1], filtered)
    return "corruption" if back and on else "tampering"


def linked(first: Any, second: Any, filtered: bool) -> bool:
    link = stated(second, "prev_ledger_hash")
    if link is None:
        return False
    if link == stated(first):
        return True
    before, sequence = place(first), place(second)
    known = before is not None and sequence is not None
    return filtered and known and sequence > before + 1


def verify_bundle(bundle: dict[str, Any]) -> dict[str, Any]:
    extension = bundle["filter"].get("extension_id")
    ledger = verify_ledger(bundle["risk_ledger"], isinstance(extension, str))
    recomputed = digest(without(bundle, "bundle_hash"))
    flags = [flag for flag in FLAGS if bundle["redaction"].get(flag) is True]
    leaks = unredacted(bundle, flags)
    figures = summary(bundle, ledger)
    stored = bundle["summary"]
    counts = stored.get("counts") if isinstance(stored.get("counts"), dict) else {}
    same = all(
        name in counts and canonical(counts[name]) == canonical(figure)
        for name, figure in figures["counts"].items()
    ) and all(
        name in stored and canonical(stored[name]) == canonical(figure)
        for name, figure in without(figures, "counts").items()
    )
    replayed = bundle["risk_replay"]
    if replayed is not None:
        same = same and canonical(replayed) == canonical(replay(bundle, ledger))
    schema = bundle["schema"] == "pi.security.incident_evidence_bundle.v1"
    steps = {
        "bundle_hash": passed(recomputed == bundle["bundle_hash"]),
        "ledger_chain": passed(ledger["chain_valid"]),
        "summary_counts": passed(same),
        "schema": passed(schema),
        "redaction": passed(not leaks) if flags else "not_applicable",
    }
    return {
        "valid": "fail" not in steps.values(),
        "bundle_hash": bundle["bundle_hash"],
        "recomputed_hash": recomputed,
        "steps": steps,
        "ledger": ledger,
        "leaks": leaks,
    }


def passed(fits: bool) -> str:
    return "pass" if fits else "fail"


def unredacted(bundle: dict[str, Any], flags: list[str]) -> list[dict[str, str]]:
    leaks = []
    for flag in flags:
        for section, name in FLAGS[flag]:
            whole = section == "entries"
            records = bundle["risk_ledger"]["entries"] if whole else bundle[section]
            where = "$.risk_ledger.entries" if whole else f"$.{section}"
            leaks += [
                {"path": f"{where}[{index}].{name}", "kind": "not_redacted"}
                for index, record in enumerate(records)
                if isinstance(record, dict)
                and name in record
                and record[name] != "[REDACTED]"
            ]
    return leaks


def replay(bundle: dict[str, Any], ledger: dict[str, Any]) -> dict[str, Any]:
    entries = bundle["risk_ledger"]["entries"]
    steps = [
        {"index": index, "trusted": index < ledger["trusted_prefix"]}
        | {
            name: entry[name]
            for name in STEP
            if isinstance(entry, dict) and name in entry
        }
        for index, entry in enumerate(entries)
    ]
    return {
        "source_tail_ledger_hash": stated(entries[-1]) if entries else None,
        "step_count": len(entries),
        "trusted_steps": ledger["trusted_prefix"],
        "steps": steps,
    }


def summary(bundle: dict[str, Any], ledger: dict[str, Any]) -> dict[str, Any]:
    entries = bundle["risk_ledger"]["entries"]
    replayed = bundle["risk_replay"]
    steps = replayed.get("steps") if replayed else None
    lists = [entries, *(bundle[name] for name in SECTIONS)]
    records = [each for members in lists for each in members if isinstance(each, dict)]
    held = [entry for entry in entries if isinstance(entry, dict)]
    moments = [r["ts_ms"] for r in records if is_integer(r.get("ts_ms"))]
    names = {
        r["extension_id"] for r in records if isinstance(r.get("extension_id"), str)
    }
    scores = [e["risk_score"] for e in held if is_number(e.get("risk_score"))]
    return {
        "counts": {
            "risk_ledger": len(entries),
            **{name: len(bundle[name]) for name in SECTIONS},
            "risk_replay": len(steps) if isinstance(steps, list) else 0,
        },
        "distinct_extensions": len(names),
        "peak_risk_score": max(scores, default=0),
        "blocked_count": sum(
            entry.get("selected_action") in ("deny", "terminate") for entry in held
        ),
        "first_ts_ms": min(moments, default=None),
        "last_ts_ms": max(moments, default=None),
        "ledger_chain_valid": ledger["chain_valid"],
    }


def find_leaks(
    document: dict[str, Any], values: set[str], name_hashes: set[str]
) -> list[tuple[str, str]]:
    """Search every string value for every value, one by one."""
    found = []

    def look(path: str, item: Any) -> None:
        if isinstance(item, dict):
            for name, each in item.items():
                look(f"{path}.{name}", each)
        elif isinstance(item, list):
            for index, each in enumerate(item):
                look(f"{path}[{index}]", each)
        elif isinstance(item, str) and item != "[REDACTED]":
            words = re.findall(r"[A-Za-z0-9_]+", item)
            hashed = {hashlib.sha256(word.encode()).hexdigest() for word in words}
            if any(v in item if len(v) >= 8 else v == item for v in values):
                found.append((path, "raw_value"))
            elif hashed & name_hashes:
                found.append((path, "name_spelled"))

    look("$", document)
    return found


def read_plainly(data: bytes) -> Any:
    return json.loads(data)

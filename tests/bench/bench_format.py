"""What verifying a document costs: `python -m tests.bench.bench_format`.

Prints a Markdown table of medians, in processor time of one core, so that waiting for
others does not count. Two yardsticks are measured in turns, on the same bytes:

- floor: `orjson.loads`, `orjson.dumps` with sorted keys, `sha256`. It verifies nothing
  and is not canonical, but no verifier built on orjson does less;
- obvious: the standard library's parser with a pairs hook, and rfc8785 for every entry
  and for the bundle.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import rfc8785

from evidence.format import verify_document
from evidence.format.names import (
    OUTCOMES,
    POLICY_DECISIONS,
    RECORD_SECTIONS,
    SELECTED_ACTIONS,
)
from tests.bench.sizes import choose

BIG = Path(__file__).parents[1] / "data" / "vectors" / "big.json.gz"
SEED = 1
# Medians of so many runs, by calls; the longest documents are measured less often.
ROUNDS = choose({1_000: 15, 10_000: 9, 100_000: 3}, {100: 1})
MOST_OBVIOUS_ROUNDS = 2
STEP = (
    *("sequence", "ts_ms", "extension_id", "call_id", "capability", "method"),
    *("policy_decision", "policy_reason", "risk_score", "selected_action"),
    *("outcome", "triggers"),
)


TEXTS = (
    *("extension_id", "call_id", "capability", "method", "params_hash"),
    *("policy_reason", "ledger_hash"),
)


def measure_floor(data: bytes) -> str:
    value = orjson.loads(data)
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def measure_full(data: bytes) -> None:
    if not verify_document(data).valid:
        raise SystemExit("the measured document is not valid")


def measure_obvious(data: bytes) -> None:
    """Verify the way that comes to mind first; it checks a little less."""
    bundle = json.loads(data, object_pairs_hook=_without_duplicates)
    entries = bundle["risk_ledger"]["entries"]
    before = None
    for sequence, entry in enumerate(entries, 1):
        if not _is_well_formed(entry) or entry["sequence"] != sequence:
            raise SystemExit("the measured ledger is not valid")
        if entry["prev_ledger_hash"] != before or _hash(entry) != entry["ledger_hash"]:
            raise SystemExit("the measured ledger is not valid")
        before = entry["ledger_hash"]
    steps = [
        {"index": index, "trusted": True, **{name: entry[name] for name in STEP}}
        for index, entry in enumerate(entries)
    ]
    if bundle["risk_replay"]["steps"] != steps:
        raise SystemExit("the measured replay is not valid")
    sections = [entries, *(bundle[name] for name in RECORD_SECTIONS)]
    records = [record for section in sections for record in section]
    moments = [record["ts_ms"] for record in records]
    figures = {
        "distinct_extensions": len({record["extension_id"] for record in records}),
        "peak_risk_score": max(entry["risk_score"] for entry in entries),
        "first_ts_ms": min(moments),
        "last_ts_ms": max(moments),
    }
    if figures != {name: bundle["summary"][name] for name in figures}:
        raise SystemExit("the measured summary is not valid")
    if _hash(bundle) != bundle["bundle_hash"]:
        raise SystemExit("the measured bundle is not valid")


def _is_well_formed(entry: dict[str, Any]) -> bool:
    return (
        all(isinstance(entry[name], str) for name in TEXTS)
        and isinstance(entry["ts_ms"], int)
        and isinstance(entry["risk_score"], int | float)
        and entry["policy_decision"] in POLICY_DECISIONS
        and entry["selected_action"] in SELECTED_ACTIONS
        and entry["outcome"] in OUTCOMES
        and all(isinstance(trigger, str) for trigger in entry["triggers"])
    )


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _hash(value: dict[str, Any]) -> str:
    seals = ("ledger_hash", "bundle_hash")
    unsealed = {name: item for name, item in value.items() if name not in seals}
    return hashlib.sha256(rfc8785.dumps(unsealed)).hexdigest()


def document_of(calls: int) -> bytes:
    """Return the vector of 10,000 calls, or a simulated document."""
    if calls == 10_000:
        return gzip.decompress(BIG.read_bytes())
    from evidence.format import serialize_document
    from evidence.simulation import simulate_document

    return serialize_document(simulate_document(calls=calls, seed=SEED))


def seconds(measure: Callable[[bytes], Any], data: bytes) -> float:
    began = time.process_time()
    measure(data)
    return time.process_time() - began


def row(calls: int, data: bytes) -> str:
    """Measure in turns, so that what disturbs the machine disturbs all alike."""
    taken: dict[str, list[float]] = {"floor": [], "full": [], "obvious": []}
    for turn in range(ROUNDS[calls]):
        taken["floor"].append(seconds(measure_floor, data))
        taken["full"].append(seconds(measure_full, data))
        if turn < MOST_OBVIOUS_ROUNDS:
            taken["obvious"].append(seconds(measure_obvious, data))
    floor, full, obvious = (statistics.median(taken[name]) for name in taken)
    cells = (
        f"{calls:,}",
        f"{len(data) / 1e6:.1f}",
        f"{floor * 1e3:,.0f}",
        f"{full * 1e3:,.0f}",
        f"{full / floor:.2f}",
        f"{obvious * 1e3:,.0f}",
        f"{obvious / full:.1f}",
        f"{calls / full:,.0f}",
        f"{peak_megabytes(data):,.0f}",
    )
    return f"| {' | '.join(cells)} |"


def peak_megabytes(data: bytes) -> float:
    """Verify in a fresh process and return its own peak of resident memory."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(data)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.bench_format", "--peak", file.name],
            capture_output=True,
            text=True,
            check=True,
        )
    return int(done.stdout) / 1024


def print_peak(path: str) -> None:
    """Verify a file and print the peak in KiB, of this program alone.

    The maximum of `getrusage` outlives exec: it would be that of the bench, which
    holds the document and all that was made of it. `VmHWM` begins anew with a program.
    """
    measure_full(Path(path).read_bytes())
    status = Path("/proc/self/status").read_text()
    print(next(line.split()[1] for line in status.splitlines() if "VmHWM" in line))


def main() -> None:
    if sys.argv[1:2] == ["--peak"]:
        print_peak(sys.argv[2])
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    columns = (
        *("calls", "MB", "floor, ms", "full verification, ms", "full / floor"),
        *("obvious way, ms", "obvious / full", "calls a second", "peak memory, MB"),
    )
    print(f"| {' | '.join(columns)} |")
    print(f"|{'---:|' * len(columns)}")
    for calls in ROUNDS:
        print(row(calls, document_of(calls)), flush=True)


if __name__ == "__main__":
    main()

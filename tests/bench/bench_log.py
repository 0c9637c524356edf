"""What holding the history log against a checkpoint costs: `…bench.bench_log`.

Hashes made-up audit entries from their content and grows the tree over them, as
`verify_audit --checkpoint` does, and prints a Markdown table of rates and of the memory
that grew meanwhile. The database, which hands the entries out a few at a time, is left
out.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

from evidence.audit.chain import entry_hash
from evidence.audit.log.frontier import Frontier
from evidence.proof.verify_archive import leaf_hash
from tests.bench.sizes import choose

SIZES = choose((10_000, 100_000, 1_000_000), (50, 100, 200))
ENTRY = {
    "schema": "casefile.audit_entry.v1",
    "stream": "incident:41",
    "recorded_at_ms": 1_790_086_586_105,
    "actor": {"id": 11, "name": "ci-gate"},
    "action": "evidence.received",
    "object": {"type": "evidence.evidenceitem", "id": "70", "label": "bundle.json"},
    "reason": "",
    "before": None,
    "after": {"sha256_hex": "0" * 64, "size_bytes": 10971, "kind": "bundle"},
}


def main() -> int:
    print("| entries | tree alone, entries/s | with content, entries/s | MB grown |")
    print("| ---: | ---: | ---: | ---: |")
    for count in SIZES:
        before = peak_megabytes()
        tree, whole = measure(count, False), measure(count, True)
        grown = peak_megabytes() - before
        print(f"| {count:,} | {tree:,.0f} | {whole:,.0f} | {grown:.0f} |")
    return 0


def measure(count: int, with_content: bool) -> float:
    """Return how many entries a second of processor time are taken in."""
    frontier = Frontier()
    data = bytes(32)
    start = time.process_time()
    for number in range(count):
        if with_content:
            document: dict[str, Any] = {**ENTRY, "sequence": number + 1}
            data = bytes.fromhex(entry_hash(document))
        frontier.add(leaf_hash(data))
    frontier.root()
    return count / (time.process_time() - start)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())

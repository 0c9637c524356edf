"""Whether a scan costs the same from any caller: `python -m tests.bench.bench_stack`.

Scans the output of an obfuscator from callers that stand 0 to 190 calls deep, and
prints a Markdown table of the processor's time. Ends with code 1 where the dearest
takes more than one and a half times the median, or where one is told something else:
CPython's stack has edges on which a loop of calls takes three times as long.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from policy.scanner import Classification, scan_source
from tests.bench.sizes import choose

SAMPLE = Path(__file__).parents[1] / "data/obfuscated/forbidden/binding.rc4_mangled.js"
DEPTHS = choose(range(0, 200, 10), range(0, 20, 10))
MOST = choose(1.5, float("inf"))


def main() -> int:
    print("| calls deep | CPU seconds | told |\n| ---: | ---: | --- |")
    found = []
    told = set()
    for depth in DEPTHS:
        start = time.process_time()
        classification = _scan_from(depth)
        found.append(time.process_time() - start)
        told.add(classification)
        print(f"| {depth} | {found[-1]:.2f} | {classification.value} |", flush=True)
    return int(len(told) > 1 or max(found) > MOST * statistics.median(found))


def _scan_from(depth: int) -> Classification:
    if depth:
        return _scan_from(depth - 1)
    return scan_source(SAMPLE.read_bytes(), SAMPLE.name).files[0].classification


if __name__ == "__main__":
    sys.exit(main())

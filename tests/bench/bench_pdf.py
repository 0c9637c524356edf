"""What a postmortem's PDF costs: `python -m tests.bench.bench_pdf`.

Lays out postmortems with 1,000, 4,000 and 10,000 timeline entries and prints a Markdown
table of the process's CPU time. Ends with code 1 where an entry of the largest costs
more than twice what one of the smallest does: the layout is linear in its length.
"""

from __future__ import annotations

import sys
import time

from incidents.postmortem_pdf import write_pdf
from tests.bench.sizes import choose
from tests.incidents.postmortem.test_documents import FACTS, make_content

SIZES = choose((1_000, 4_000, 10_000), (5, 20))
WORST_RATIO = choose(2.0, float("inf"))
TEXT = "The broker was **off** for `12` minutes; see the ledger, entry 17."


def main() -> int:
    measure(1)  # fonts are read once
    print("| Timeline entries | CPU seconds | ms an entry |\n| --- | --- | --- |")
    per_entry = []
    for entries in SIZES:
        seconds = measure(entries)
        per_entry.append(seconds / entries)
        print(f"| {entries:,} | {seconds:.2f} | {per_entry[-1] * 1000:.2f} |")
    return int(per_entry[-1] > WORST_RATIO * per_entry[0])


def measure(entries: int) -> float:
    """Return the CPU seconds that one layout takes."""
    entry = {**FACTS["timeline"][0], "text": TEXT}
    timeline = [{**entry, "id": number} for number in range(entries)]
    content = make_content(facts={**FACTS, "timeline": timeline})
    start = time.process_time()
    write_pdf(content, sha256_hex="0" * 64)
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())

"""How well and how fast sources are scanned: `python -m tests.bench.bench_scanner`.

Prints Markdown tables: detection over the corpus of evasions and over the held-out
families, false positives over benign npm packages, speed in time of one processor
core. The packages are installed by name into a temporary folder, without running
their scripts, and are only read; without npm or a registry the last tables are left
out, and that is said.

A file of a benign package that is forbidden counts as wrong, unless every one of its
forbidden entries is right: spelled out as an import or call of something forbidden
(the line-based scanner says so of the same place), or read by hand and found to do
what the rule forbids (REVIEWED). Benign code may well use what is forbidden.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from policy.scanner import (
    Classification,
    FileReport,
    SourceFile,
    scan_file,
    scan_source,
)
from policy.scanner.syntax import LANGUAGE_BY_SUFFIX
from tests.bench.sizes import choose, is_smallest
from tests.data.evasions import FOLDER, HELD_OUT, Sample, load_samples

INSTALL_SECONDS = 300
MOST_SAMPLES = choose(None, 10)
PACKAGES = (
    "lodash@4.18.1 react@19.3.1 chalk@5.6.2 commander@14.0.3 uuid@14.0.3",
    "dayjs@1.11.23 preact@11.2.0 rxjs@7.8.2 immer@11.2.10 redux@5.0.1 axios@1.21.1",
    "ramda@0.32.0 underscore@1.13.8 async@3.2.6 yargs@18.2.0 minimist@1.2.8",
    "semver@7.8.6 glob@14.0.6 minimatch@11.0.9 picomatch@4.0.7 micromatch@4.0.8",
    "ms@2.1.3 debug@4.4.3 classnames@2.5.1 prop-types@15.8.1 nanoid@5.1.16",
    "ajv@8.20.0 joi@18.3.2 yup@1.7.1 marked@18.2.1 handlebars@4.7.10 mustache@4.2.0",
    "ejs@7.0.2 jquery@4.0.0 backbone@1.6.1 mobx@7.1.3 immutable@5.2.1 express@5.3.0",
    "koa@3.3.0 luxon@3.7.2 validator@13.15.35 qs@6.17.1 tslib@2.9.1 acorn@8.19.0",
    "esprima@4.0.1 js-yaml@5.5.0 zustand@5.1.0 eventemitter3@5.0.4 p-limit@7.3.3",
)
# Read by hand: (package, rule) whose forbidden entries are right, and why.
REVIEWED = {
    ("lodash", "process-binding"): "calls process.binding('util') under another name",
}


@dataclass
class Tally:
    """What was found in the files of all packages."""

    files: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    classes: Counter[str] = field(default_factory=Counter)
    right: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    incomplete: int = 0


def detection_table(title: str, samples: list[Sample]) -> None:
    """Print, by family, how many samples were noticed and how many named in full."""
    noticed: Counter[str] = Counter()
    named: Counter[str] = Counter()
    seen_by_lines: Counter[str] = Counter()
    total = Counter(sample.family for sample in samples)
    for sample in samples:
        report = scan_source(sample.source, f"sample{sample.suffix}")
        expected = Classification(sample.expected)
        noticed[sample.family] += report.classification is not Classification.SAFE
        named[sample.family] += report.classification.rank >= expected.rank
        said = [f.classification.rank for f in report.files[0].line_findings]
        seen_by_lines[sample.family] += max(said, default=0) >= expected.rank
    print(f"\n### {title}\n")
    print("| Family | Samples | Not called safe | As expected | Line scanner |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in sorted(total):
        counts = (total[name], noticed[name], named[name], seen_by_lines[name])
        print(f"| {name} | " + " | ".join(map(str, counts)) + " |")
    count = len(samples)
    shares = [
        f"{100 * c.total() / count:.1f} %" for c in (noticed, named, seen_by_lines)
    ]
    print(f"| **all {len(total)}** | {count} | " + " | ".join(shares) + " |")


def install_packages(folder: Path) -> str | None:
    """Install the packages without running anything; return what went wrong."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    names = " ".join(PACKAGES).split()
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *names]
    try:
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"npm did not finish within {INSTALL_SECONDS} s"
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"npm failed: {lines[-1] if lines else 'no message'}"
    return None


def is_right(package: str, report: FileReport) -> bool:
    """Tell whether each forbidden entry of a benign file is what the rule forbids."""
    missed = {id(miss.entry) for miss in report.misses}
    return all(
        id(entry) not in missed or (package, entry.rule) in REVIEWED
        for entry in report.entries
        if entry.classification is Classification.FORBIDDEN
    )


def scan_package(package: str, folder: Path, tally: Tally) -> None:
    """Scan a package's own files, without what it has installed inside it."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if "node_modules/" in name or path.suffix not in LANGUAGE_BY_SUFFIX:
            continue
        if not path.is_file():
            continue
        data = path.read_bytes()
        started = time.process_time()
        report = scan_file(SourceFile(f"{package}/{name}", data))
        tally.seconds += time.process_time() - started
        tally.files += 1
        tally.size_bytes += len(data)
        tally.classes[report.classification.value] += 1
        tally.incomplete += not report.is_complete
        if report.classification is Classification.FORBIDDEN:
            kept = tally.right if is_right(package, report) else tally.wrong
            kept.append(describe(report))


def describe(report: FileReport) -> str:
    """Return a file and the rules that forbid it."""
    rules = Counter(
        entry.rule
        for entry in report.entries
        if entry.classification is Classification.FORBIDDEN
    )
    words = ", ".join(f"{rule} × {count}" for rule, count in rules.items())
    return f"`{report.path}`: {words}"


def package_tables(tally: Tally, packages: int) -> None:
    """Print false positives and speed."""
    print(f"\n### {packages} benign npm packages\n")
    print("| Files | MB | Forbidden, rightly | Forbidden, wrongly | Flagged | Safe |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    megabytes = tally.size_bytes / 1e6
    share = 100 * len(tally.wrong) / tally.files
    flagged, safe = tally.classes["flagged"], tally.classes["safe"]
    print(
        f"| {tally.files} | {megabytes:.1f} | {len(tally.right)} | "
        f"{len(tally.wrong)} ({share:.2f} %) | {flagged} | {safe} |"
    )
    print(f"\nNot fully analysed, and flagged for it: {tally.incomplete} files.")
    for title, lines in (("Wrongly", tally.wrong), ("Rightly", tally.right)):
        print(f"\n{title} forbidden:\n")
        print("\n".join(f"- {line}" for line in lines) or "- none")
    print("\n### Speed\n")
    print("| MB | Seconds of one core | MB/s |\n| ---: | ---: | ---: |")
    speed = megabytes / tally.seconds
    print(f"| {megabytes:.1f} | {tally.seconds:.1f} | {speed:.2f} |")


def write_packages(folder: Path) -> str | None:
    """Write small packages instead of installing real ones."""
    for pin in " ".join(PACKAGES).split()[:2]:
        package = folder / "node_modules" / pin.rpartition("@")[0]
        package.mkdir(parents=True)
        (package / "index.js").write_text("module.exports = (a, b) => a + b;\n")
    return None


def main() -> int:
    detection_table("Corpus of evasions", load_samples(FOLDER)[:MOST_SAMPLES])
    detection_table("Held-out families", load_samples(HELD_OUT)[:MOST_SAMPLES])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem = write_packages(folder) if is_smallest() else install_packages(folder)
        if problem is not None:
            print(
                f"\nNo packages were scanned for false positives and speed: {problem}."
            )
            return 0
        tally = Tally()
        packages = [pin.rpartition("@")[0] for pin in " ".join(PACKAGES).split()]
        for package in packages:
            scan_package(package, folder / "node_modules" / package, tally)
        package_tables(tally, len(packages))
    return 0


if __name__ == "__main__":
    sys.exit(main())

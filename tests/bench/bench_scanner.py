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
from policy.scanner.parsing.syntax import LANGUAGE_BY_SUFFIX
from tests.bench.sizes import choose, is_smallest
from tests.data.evasions import FOLDER, HELD_OUT, LATER, Sample, load_samples

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
# Chosen and looked at after the rules were finished; a rule that is changed for one of
# them moves it into PACKAGES.
UNSEEN = (
    "@babel/parser@7.29.15 @babel/types@7.29.15 amqplib@2.3.1 animejs@4.5.0",
    "apollo-link@1.2.14 archiver@8.0.0 bcryptjs@3.0.3 big.js@7.0.1 bn.js@5.2.5",
    "body-parser@2.4.0 boxen@8.0.1 bunyan@2.0.5 busboy@1.6.0 chart.js@4.6.1",
    "cheerio@1.2.0 chokidar@3.6.0 class-validator@0.15.1 cli-progress@3.12.0",
    "config@5.0.1 convict@6.2.5 cookie@2.0.2 cors@2.8.6 cross-spawn@7.0.6",
    "crypto-js@4.2.0 d3@7.9.2 date-fns@4.4.0 decimal.js@10.6.0 dotenv@18.0.10",
    "elliptic@6.6.1 escodegen@2.1.0 estraverse@5.3.0 execa@9.6.1 fastify@5.12.8",
    "fflate@0.8.3 figlet@1.12.0 formidable@3.5.4 fp-ts@2.16.11 fs-extra@11.4.1",
    "got@14.6.6 graphql@15.11.0 gsap@3.15.0 hammerjs@2.0.8 hapi@18.1.0 helmet@8.3.0",
    "htmlparser2@12.0.0 i18next@26.7.2 inquirer@14.2.5 inversify@8.2.3 io-ts@2.2.22",
    "ioredis@5.11.1 jsonwebtoken@9.0.3 jszip@3.10.2 knex@3.3.0 leaflet@1.9.4",
    "less@4.9.1 liquidjs@10.30.1 magic-string@1.4.5 mathjs@15.2.0 mkdirp@3.0.1",
    "moment@2.31.0 mongoose@9.12.1 morgan@1.12.1 mqtt@5.16.0 multer@2.5.0",
    "nconf@0.13.0 node-fetch@3.3.2 numeral@2.0.6 nunjucks@3.2.4 ora@9.4.1",
    "pako@3.0.3 parse5@8.1.1 passport@0.7.0 pg@8.23.1 pino@10.4.0 pixi.js@8.22.0",
    "postcss@8.5.33 prettier@3.10.1 pug@3.0.4 ramda-adjunct@6.1.0 react-dom@18.3.1",
    "recast@0.23.21 reflect-metadata@0.2.2 rimraf@6.1.4 rollup@4.68.8 sass@1.108.2",
    "sequelize@6.37.8 shelljs@0.10.0 socket.io-client@4.8.4 stylus@0.64.0",
    "superagent@10.4.2 svelte@5.57.3 swiper@14.4.0 tar-stream@3.2.2 terser@5.51.4",
    "three@0.187.0 tsyringe@4.10.0 tweetnacl@1.0.3 typeorm@1.1.1 vue@3.5.45",
    "winston@3.19.0 ws@8.23.0 xstate@5.33.3 zod@4.6.7",
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
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)


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


def install_packages(folder: Path, pins: list[str]) -> str | None:
    """Install the packages without running anything; return what went wrong."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *pins]
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
        worst = {e.rule for e in report.entries if e.classification != "safe"}
        tally.rules.update((report.classification.value, rule) for rule in worst)
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
    print("\n### Each rule's share of the files\n")
    print("| Rule | Word | Files | Share |\n| --- | --- | ---: | ---: |")
    for (word, rule), count in tally.rules.most_common():
        share = 100 * count / tally.files
        print(f"| `{rule}` | {word} | {count} | {share:.2f} % |")
    print("\n### Speed\n")
    print("| MB | Seconds of one core | MB/s |\n| ---: | ---: | ---: |")
    speed = megabytes / tally.seconds
    print(f"| {megabytes:.1f} | {tally.seconds:.1f} | {speed:.2f} |")


def write_packages(folder: Path, pins: list[str]) -> str | None:
    """Write small packages instead of installing real ones."""
    for pin in pins[:2]:
        package = folder / "node_modules" / pin.rpartition("@")[0]
        package.mkdir(parents=True)
        (package / "index.js").write_text("module.exports = (a, b) => a + b;\n")
    return None


def main() -> int:
    detection_table("Corpus of evasions", load_samples(FOLDER)[:MOST_SAMPLES])
    detection_table("Held-out families", load_samples(HELD_OUT)[:MOST_SAMPLES])
    detection_table("Later families", load_samples(LATER)[:MOST_SAMPLES])
    for title, pins in (("seen while tuning", PACKAGES), ("not seen", UNSEEN)):
        print(f"\n## Packages {title}")
        problem = measure_packages(" ".join(pins).split())
        if problem is not None:
            print(f"\nNone were scanned: {problem}.")
    return 0


def measure_packages(pins: list[str]) -> str | None:
    """Install and scan packages, and print what was found; return what went wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if is_smallest():
            problem = write_packages(folder, pins)
        else:
            problem = install_packages(folder, pins)
        if problem is not None:
            return problem
        tally = Tally()
        packages = [pin.rpartition("@")[0] for pin in pins]
        for package in packages:
            scan_package(package, folder / "node_modules" / package, tally)
        package_tables(tally, len(packages))
    return None


if __name__ == "__main__":
    sys.exit(main())

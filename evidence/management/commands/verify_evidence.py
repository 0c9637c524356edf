"""`manage.py verify_evidence FILE… [--source FILE] [--json]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evidence.format import (
    DocumentRefused,
    DocumentReport,
    IncidentEvidenceBundleReport,
    RuntimeRiskLedgerVerificationReport,
    verify_document,
)
from evidence.management.files import printable, read_file
from evidence.wording import end_sentence

EXIT_INVALID = 1
EXIT_REFUSED = 2
# More faults than anybody reads; --json has them all.
_MAX_LISTED = 20
_WORDS = {"pass": "pass", "fail": "FAIL", "not_applicable": "n/a"}


class Command(BaseCommand):
    help = (
        "Verify evidence bundles and risk ledgers, packed with gzip or not. "
        "Exit status: 0 all valid, 1 some invalid, 2 some refused as no such document."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
        parser.add_argument(
            "--source",
            metavar="FILE",
            type=Path,
            help="the unredacted bundle that redacted ones are checked against",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="write one line of JSON for each file, in order",
        )

    def handle(
        self, *, files: list[Path], source: Path | None, json: bool, **options: Any
    ) -> None:
        original = None if source is None else self._read_source(source)
        status = 0
        for path in files:
            result = _verify(path, original)
            status = max(status, _exit_status(result))
            lines = [_json_line(path, result)] if json else _lines(path, result)
            for line in lines:
                self.stdout.write(line)
        if status:
            sys.exit(status)

    def _read_source(self, path: Path) -> bytes:
        try:
            return read_file(path)
        except DocumentRefused as refusal:
            raise CommandError(
                printable(
                    f"The --source {path} cannot be used: "
                    f"{end_sentence(refusal.message)}"
                ),
                returncode=EXIT_REFUSED,
            ) from None


def _verify(path: Path, source: bytes | None) -> DocumentReport | DocumentRefused:
    try:
        return verify_document(read_file(path), source=source)
    except DocumentRefused as refusal:
        return refusal


def _exit_status(result: DocumentReport | DocumentRefused) -> int:
    if isinstance(result, DocumentRefused):
        return EXIT_REFUSED
    return 0 if result.valid else EXIT_INVALID


def _json_line(path: Path, result: DocumentReport | DocumentRefused) -> str:
    found = (
        {"refused": result.as_dict()}
        if isinstance(result, DocumentRefused)
        else result.as_dict()
    )
    return json.dumps({"file": str(path), **found})


# --- The report for people -------------------------------------------------------


def _lines(path: Path, result: DocumentReport | DocumentRefused) -> Iterator[str]:
    name = printable(str(path))
    if isinstance(result, DocumentRefused):
        place = "" if result.path is None else f" at {printable(result.path)}"
        yield f"{name}: Refused{place}"
        yield f"  {printable(result.message)} ({result.code})"
        return
    outcome = "Verified" if result.valid else "Failed verification"
    yield f"{name}: {result.kind}, {outcome}"
    if isinstance(result.report, IncidentEvidenceBundleReport):
        yield from _bundle_lines(result.report)
    else:
        yield from _ledger_lines(result.report)


def _bundle_lines(report: IncidentEvidenceBundleReport) -> Iterator[str]:
    for name, step in report.steps.items():
        yield f"  {name:<15} {_WORDS[step.status]:<5} {printable(step.message)}"
    yield from _ledger_lines(report.ledger)
    leaks = [f"{leak.kind} at {printable(leak.path)}" for leak in report.leaks]
    yield from _listed("leak", leaks)
    yield f"  bundle hash     {printable(report.bundle_hash)}"
    if report.recomputed_hash != report.bundle_hash:
        yield f"  recomputed      {report.recomputed_hash}"


def _ledger_lines(report: RuntimeRiskLedgerVerificationReport) -> Iterator[str]:
    redacted = f", {report.redacted_entries} redacted" * bool(report.redacted_entries)
    gaps = f", {len(report.gaps)} filtered gaps" * bool(report.gaps)
    yield (
        f"  ledger          {report.diagnosis}: {report.entry_count} entries, "
        f"{report.verified_entries} verified{redacted}{gaps}"
    )
    if report.break_index is not None:
        yield (
            f"  break           at index {report.break_index}; "
            f"entries trusted before it: {report.trusted_prefix}"
        )
    errors = [
        f"index {error.index}, sequence "
        f"{'none' if error.sequence is None else error.sequence}: "
        f"{error.code}: {printable(error.message)}"
        for error in report.verification_errors[: _MAX_LISTED + 1]
    ]
    yield from _listed("error", errors, total=len(report.verification_errors))


def _listed(label: str, items: list[str], *, total: int | None = None) -> Iterator[str]:
    for item in items[:_MAX_LISTED]:
        yield f"  {label:<15} {item}"
    rest = (len(items) if total is None else total) - _MAX_LISTED
    if rest > 0:
        yield f"  {'':<15} … and {rest} more: --json lists them all"

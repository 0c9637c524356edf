"""`manage.py build_evidence SOURCE --filter JSON --redaction … -o FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evidence.format import (
    DocumentRefused,
    IncidentBundleFilter,
    IncidentBundleRedactionPolicy,
    IncidentEvidenceBundleReport,
    Status,
    build_bundle,
    read_document,
    serialize_document,
    verify_incident_evidence_bundle,
)
from evidence.management.files import printable, read_file, write_file
from evidence.wording import end_sentence

EXIT_REFUSED = 2


class Command(BaseCommand):
    help = (
        "Build a bundle from another one: filter, redact, replay, summarise, seal. "
        "Exit code 2: refused, and nothing is written."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", metavar="SOURCE", type=Path)
        parser.add_argument(
            "--filter",
            metavar="JSON",
            default="{}",
            help='such as {"extension_id": "acme.tool", "min_severity": "error"}',
        )
        parser.add_argument(
            "--redaction",
            metavar="full|none|FLAG,…",
            required=True,
            help="full, none, or flags such as redact_params_hash,redact_name_hash",
        )
        parser.add_argument(
            "--generated-at-ms",
            metavar="N",
            type=int,
            required=True,
            help="milliseconds since 1970 UTC, written into the bundle",
        )
        parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True)

    def handle(self, *, source: Path, output: Path, **options: Any) -> None:
        if output.exists() and source.exists() and output.samefile(source):
            raise CommandError(
                "The source would be written over. Give -o another file than SOURCE.",
                returncode=EXIT_REFUSED,
            )
        scope = _argument("The --filter", _read_filter, options["filter"])
        policy = _argument("The --redaction", _read_policy, options["redaction"])
        original = _argument(f"The source {source}", _read_source, source)
        built = _argument(
            f"The source {source}",
            lambda document: build_bundle(
                document,
                filter=scope,
                redaction=policy,
                generated_at_ms=options["generated_at_ms"],
            ),
            original,
        )
        _write(output, built)
        self.stdout.write(f"{output}: bundle {built['bundle_hash']}")
        report = verify_incident_evidence_bundle(built, source=original)
        if not report.valid:
            self._warn(report)

    def _warn(self, report: IncidentEvidenceBundleReport) -> None:
        """Write what keeps the bundle from passing: it is written, not fit to share.

        A source with a broken ledger gives a bundle with one, as it should.
        """
        for name, step in report.steps.items():
            if step.status is Status.FAIL:
                self.stderr.write(f"Warning: {name}: {printable(step.message)}")
        for leak in report.leaks:
            self.stderr.write(f"Warning: {leak.kind} at {printable(leak.path)}")


def _argument(label: str, read: Any, value: Any) -> Any:
    """Read an argument; what is wrong with it ends the command, by its name."""
    try:
        return read(value)
    except DocumentRefused as refusal:
        raise CommandError(
            printable(f"{label} cannot be used: {end_sentence(str(refusal))}"),
            returncode=EXIT_REFUSED,
        ) from None


def _read_filter(text: str) -> IncidentBundleFilter:
    return IncidentBundleFilter.from_dict(
        read_document(text.encode("utf-8", "replace"))
    )


def _read_policy(text: str) -> IncidentBundleRedactionPolicy:
    if text == "full":
        return IncidentBundleRedactionPolicy.full()
    if text == "none":
        return IncidentBundleRedactionPolicy.none()
    flags = [flag.strip() for flag in text.split(",")]
    return IncidentBundleRedactionPolicy.from_flags(flags)


def _read_source(path: Path) -> dict[str, Any]:
    return read_document(read_file(path))


def _write(path: Path, document: dict[str, Any]) -> None:
    try:
        write_file(path, serialize_document(document))
    except OSError as error:
        raise CommandError(
            f"Cannot write {path}: {error.strerror}. Give -o a file in a folder that "
            "is there and that you may write to.",
            returncode=EXIT_REFUSED,
        ) from None

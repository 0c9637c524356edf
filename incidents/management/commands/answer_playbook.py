"""`manage.py answer_playbook BUNDLE… [--class INC-N] [--policy FILE] … [--json]`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evidence.errors import CasefileError
from evidence.format import DocumentRefused
from evidence.management.files import printable, read_file
from incidents.findings import (
    CODES,
    Answer,
    CaseEvidence,
    PolicyInput,
    Verdict,
    answer_all,
    inputs,
    shown_classes,
)

EXIT_REFUSED = 2
_WORDS = {Verdict.FOUND: "FOUND", Verdict.CLEAR: "clear", Verdict.UNKNOWN: "unknown"}
# More pointers than anybody reads; --json has them.
_MAX_LISTED = 5

Read = TypeVar("Read")


class Command(BaseCommand):
    help = (
        "Say what evidence answers to the questions of the playbooks INC-1 to INC-6. "
        "Several bundles are read as one runtime's. Exit status: 0 answered, 2 a file "
        "was refused."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "bundles",
            nargs="+",
            metavar="BUNDLE",
            type=Path,
            help="evidence bundles or risk ledgers, packed with gzip or not",
        )
        parser.add_argument(
            "--class",
            dest="code",
            metavar="INC-N",
            choices=CODES,
            help="one class only (default: all six)",
        )
        for name, what in (
            ("policy", "settings.json as it was in force"),
            ("explanation", "the output of pi --explain-extension-policy"),
            ("history", "the runtime's record of trust and kill switches, JSON lines"),
            ("source", "the extension's source: a file or an archive"),
        ):
            parser.add_argument(f"--{name}", metavar="FILE", type=Path, help=what)
        parser.add_argument(
            "--json",
            action="store_true",
            dest="as_json",
            help="write one line of JSON for each answer",
        )

    def handle(
        self,
        *,
        bundles: list[Path],
        code: str | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        reader = _Reader()
        evidence = _gather(reader, bundles, options)
        if reader.refusals:
            for refusal in reader.refusals:
                self.stderr.write(refusal)
            raise CommandError(
                "Nothing was answered: mend or leave out what was refused.",
                returncode=EXIT_REFUSED,
            )
        findings = answer_all(evidence, [code] if code else CODES)
        lines = _json_lines(findings) if as_json else _lines(findings)
        for line in lines:
            self.stdout.write(line)


class _Reader:
    """Reads files, and notes each that is refused: all of them are said at once."""

    def __init__(self) -> None:
        self.refusals: list[str] = []

    def read(
        self, path: Path | None, make: Callable[[str, bytes, str], Read]
    ) -> Read | None:
        """Return what a file holds; None where there is no file or it is refused."""
        if path is None:
            return None
        try:
            data = read_file(path)
            return make(str(path), data, _digest(path))
        except DocumentRefused as refusal:
            place = "" if refusal.path is None else f" at {refusal.path}"
            self._refuse(path, f"{place}: {refusal.message}")
        except CasefileError as error:
            self._refuse(path, f": {error.message}")
        return None

    def _refuse(self, path: Path, why: str) -> None:
        self.refusals.append(printable(f"{path}: refused{why}"))


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file as it lies there, packed or not."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _gather(
    reader: _Reader, bundles: list[Path], options: dict[str, Any]
) -> CaseEvidence:
    documents = [reader.read(path, inputs.read_evidence) for path in bundles]
    explanation = reader.read(options["explanation"], inputs.read_explanation)
    explained = explanation.document if explanation else None
    policy = reader.read(
        options["policy"],
        lambda item, data, sha256: inputs.read_policy(
            item, data, sha256, explanation=explained
        ),
    )
    history = reader.read(options["history"], inputs.read_history)
    source = reader.read(options["source"], inputs.read_source)
    policies: tuple[PolicyInput, ...] = (policy,) if policy else ()
    if not policies and explanation is not None:
        policies = inputs.policy_of(explanation)
    return inputs.with_names(
        CaseEvidence(
            documents=tuple(document for document in documents if document is not None),
            policies=policies,
            explanation=explanation,
            histories=(history,) if history else (),
            source=source,
        )
    )


def _json_lines(findings: Iterable[Answer]) -> Iterator[str]:
    for finding in findings:
        yield json.dumps(finding.as_dict(), ensure_ascii=False)


# --- For people ---------------------------------------------------------------------


def _lines(findings: list[Answer]) -> Iterator[str]:
    code = ""
    for finding in findings:
        if finding.question.code != code:
            code = finding.question.code
            yield code
        yield f"  {_WORDS[finding.verdict]:<8} {finding.question.title}"
        yield f"           {printable(finding.sentence)}"
        if finding.verdict is Verdict.FOUND:
            yield from _pointer_lines(finding)
    shown = shown_classes(findings)
    names = ", ".join(shown_class.code for shown_class in shown)
    yield f"The evidence shows {names}." if shown else "The evidence shows no incident."


def _pointer_lines(finding: Answer) -> Iterator[str]:
    for pointer in finding.pointers[:_MAX_LISTED]:
        index = "" if pointer.index is None else f"[{pointer.index}]"
        call = f", call {pointer.call_id}" if pointer.call_id else ""
        yield printable(f"           {pointer.item}: {pointer.section}{index}{call}")
    rest = len(finding.pointers) - _MAX_LISTED
    if rest > 0:
        yield f"           … and {rest} more: --json lists them all"

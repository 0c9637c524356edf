"""`manage.py verify_audit`: recompute the audit history, here or from an export."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from evidence.audit.chain import ChainFault
from evidence.audit.export_file import read_heads_line, verify_lines
from evidence.errors import HistoryError
from evidence.proof.verify_archive import Key, parse_key
from evidence.wording import as_sentence

if TYPE_CHECKING:  # a file is verified where there is no database
    from evidence.audit.turned_clocks import TurnedClock

SHOWN_CLOCKS = 5


class Command(BaseCommand):
    help = (
        "Recompute the hash chains of the audit history. Exit code 0: all hold; "
        "1: faults were found; 2: there was nothing that could be verified."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--stream", help="one stream only, such as incident:7")
        source.add_argument(
            "--file", type=Path, help="an export of the history; needs no database"
        )
        parser.add_argument(
            "--heads",
            type=Path,
            help="an earlier export: every head it closes with must still be there",
        )
        parser.add_argument(
            "--checkpoint",
            type=Path,
            action="append",
            default=[],
            help="a checkpoint that was kept: the history must extend it; repeat it to "
            "narrow down where it does not",
        )
        parser.add_argument(
            "--key",
            action="append",
            default=[],
            help="the key that signed it, as text or a file; else the log's own keys, "
            "which the database names and so may have been changed with it",
        )
        parser.add_argument(
            "--json", action="store_true", help="one line of JSON for each stream"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        turned: list[TurnedClock] = []
        try:
            if options["checkpoint"]:
                counts, faults = _verify_log(options["checkpoint"], options["key"])
            elif options["file"]:
                counts, faults = _verify_file(options["file"])
            else:
                counts, faults, turned = _verify_database(options["stream"])
                if options["heads"]:
                    faults += _compare_with_export(options["heads"])
        except (HistoryError, OSError) as error:
            raise CommandError(as_sentence(_why(error)), returncode=2) from error
        write = self._write_json if options["json"] else self._write_text
        write(counts, faults, turned)
        if faults:
            sys.exit(1)

    def _write_json(
        self,
        counts: dict[str, int],
        faults: list[ChainFault],
        turned: list[TurnedClock],
    ) -> None:
        for stream in sorted({*counts, *(fault.stream for fault in faults)}):
            found = [
                {"sequence": f.sequence, "code": f.code, "message": f.message}
                for f in faults
                if f.stream == stream
            ]
            back = [
                {"sequence": t.sequence, "seconds": t.turned_back.total_seconds()}
                for t in turned
                if t.stream == stream
            ]
            line = {
                "stream": stream,
                "entries": counts.get(stream, 0),
                "faults": found,
                "clock_set_back": back,
            }
            self.stdout.write(json.dumps(line))

    def _write_text(
        self,
        counts: dict[str, int],
        faults: list[ChainFault],
        turned: list[TurnedClock],
    ) -> None:
        for fault in faults:
            self.stdout.write(
                f"{fault.stream} #{fault.sequence} {fault.code}: {fault.message}"
            )
        if turned:
            shown = ", ".join(map(str, turned[:SHOWN_CLOCKS]))
            more = ", …" if len(turned) > SHOWN_CLOCKS else ""
            self.stdout.write(
                f"dated before the entry in front of them, as where a clock is set "
                f"back: {shown}{more}"
            )
        streams = f"{len(counts)} stream{'' if len(counts) == 1 else 's'}"
        verdict = f"{len(faults)} faults" if faults else "every chain holds"
        self.stdout.write(f"{streams}, {sum(counts.values())} entries: {verdict}")


def _why(error: HistoryError | OSError) -> str:
    if isinstance(error, OSError):
        return f"The file {error.filename} cannot be read: {error.strerror}"
    return str(error)


def _verify_file(path: Path) -> tuple[dict[str, int], list[ChainFault]]:
    with path.open("rb") as file:
        return verify_lines(file)


def _verify_database(
    stream: str | None,
) -> tuple[dict[str, int], list[ChainFault], list[TurnedClock]]:
    # Read here, since a file is verified where there is no database.
    from django.db import transaction

    from evidence.audit.history import find_lost_heads
    from evidence.audit.walk import walk_streams

    counts: dict[str, int] = {}
    faults: list[ChainFault] = []
    turned: list[TurnedClock] = []
    with transaction.atomic():
        for walked in walk_streams(streams=None if stream is None else [stream]):
            counts[walked.stream] = walked.sequence
            faults += walked.faults
            turned += walked.turned_clocks
        faults += find_lost_heads(stream)
    if not counts and not faults:
        raise HistoryError(
            f"There is no stream {stream}. One is named like incident:7."
            if stream
            else "There is no history yet: nothing was done here that it keeps."
        )
    return counts, faults, turned


def _verify_log(
    paths: list[Path], key_texts: list[str]
) -> tuple[dict[str, int], list[ChainFault]]:
    """Hold the whole history against kept checkpoints."""
    from evidence.audit.log.keys import verifier_keys
    from evidence.audit.log.verifying import LOG, open_kept, verify_log

    keys = [_read_key(text) for text in key_texts] or verifier_keys()
    if not keys:
        raise HistoryError("The log has no key yet. Give the one that signed: --key.")
    verdict = verify_log([open_kept(path.read_bytes(), keys) for path in paths])
    return {LOG: verdict.entries}, verdict.faults


def _read_key(text: str) -> Key:
    """Return the key of an argument: a file that holds one, or the key itself."""
    path = Path(text)
    try:
        return parse_key(path.read_text() if path.exists() else text)
    except ValueError as error:
        raise HistoryError(f"The --key cannot be used: {error}") from None


def _compare_with_export(path: Path) -> list[ChainFault]:
    """Return the heads of an earlier export that the database no longer has."""
    from evidence.models import AuditEntry

    with path.open("rb") as file:
        heads = read_heads_line(file)
    return [
        ChainFault(
            stream,
            head["sequence"],
            "head_lost",
            f"{path.name} noted the entry {head['entry_hash']}, which is gone",
        )
        for stream, head in heads.items()
        if not AuditEntry.everything.filter(stream=stream, **head).exists()
    ]

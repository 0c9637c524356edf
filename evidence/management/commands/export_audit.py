"""`manage.py export_audit`: the history as a file that can be verified elsewhere."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.audit.export_file import make_heads
from evidence.audit.history import list_streams, stream_documents


class Command(BaseCommand):
    help = (
        "Write the audit history as JSON lines, closed by the head of each stream. "
        "Verify it anywhere with `manage.py verify_audit --file FILE`; keep the heads "
        "apart, so that a later export can be held against them. Exit code 1: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stream", action="append", help="only this one; repeat")
        parser.add_argument("-o", "--output", help="a file; standard output otherwise")

    def handle(self, *args: Any, **options: Any) -> None:
        streams = options["stream"] or list_streams()
        if not options["output"]:
            for line in _lines(streams):
                self.stdout.write(line)
            return
        try:
            _write_file(options["output"], streams)
        except OSError as error:
            raise CommandError(
                f"Cannot write {options['output']}: {error.strerror}. Name a file in a "
                "folder that is there and that you may write to."
            ) from error
        self.stderr.write(f"Streams written: {len(streams)}, to {options['output']}")


def _write_file(path: str, streams: list[str]) -> None:
    # History names people and what they did: for the owner's eyes.
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        for line in _lines(streams):
            file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def _lines(streams: list[str]) -> Iterator[str]:
    heads: dict[str, tuple[int, str]] = {}
    for stream in sorted(streams):
        for document in stream_documents(stream):
            heads[stream] = document["sequence"], document["entry_hash"]
            yield json.dumps(document, ensure_ascii=False)
    yield json.dumps(make_heads(heads), ensure_ascii=False)

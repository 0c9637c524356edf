"""Write a simulated bundle to a file."""

import gzip
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.format import serialize_document
from evidence.simulation import SCENARIOS, simulate_document
from evidence.wording import as_sentence


class Command(BaseCommand):
    help = (
        "Write a believable evidence bundle to practise on. Needs no database. "
        "Exit code 1: refused."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=200, metavar="N")
        parser.add_argument("--seed", type=int, default=1, metavar="S")
        parser.add_argument(
            "--scenario",
            default="clean",
            metavar="NAME",
            help=f"one of {', '.join(SCENARIOS)} (default: clean)",
        )
        parser.add_argument(
            "-o",
            "--output",
            type=Path,
            required=True,
            metavar="FILE",
            help="where to write; a name that ends in .gz is compressed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            document = simulate_document(
                calls=options["calls"],
                seed=options["seed"],
                scenario=options["scenario"],
            )
        except ValueError as error:
            raise CommandError(as_sentence(str(error))) from error
        data = serialize_document(document)
        output: Path = options["output"]
        if output.suffix == ".gz":
            data = gzip.compress(data, mtime=0)
        try:
            output.write_bytes(data)
        except OSError as error:
            raise CommandError(
                f"Cannot write {output}: {error.strerror}. Name a file in a folder "
                "that is there and that you may write to."
            ) from error
        self.stdout.write(
            f"{output}: {options['calls']} calls, scenario {options['scenario']}, "
            f"bundle_hash {document['bundle_hash']}"
        )

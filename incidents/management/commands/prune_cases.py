"""`manage.py prune_cases`: what could be pruned, and whether tombstones hold."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from evidence.models import Tombstone
from evidence.text import drop_unstorable
from incidents.models import Incident
from incidents.services.pruning.checking import find_tombstone_faults
from incidents.services.pruning.plan import PrunePlan, plan_pruning


class Command(BaseCommand):
    help = (
        "List closed cases that have something to prune, how much, and what is in the "
        "way; with --check, hold a case's tombstones against its archives. Nothing is "
        "pruned here: an administrator asks for it on the case's page, and a reviewer "
        "decides. Exit code 1: a tombstone does not hold, or there is no such case."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        modes = parser.add_mutually_exclusive_group()
        modes.add_argument(
            "--list", action="store_true", help="list what could be pruned (default)"
        )
        modes.add_argument(
            "--check", metavar="REFERENCE", help="check the tombstones of this case"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"] is not None:
            self._check(options["check"])
            return
        closed = Incident.objects.filter(closed_at__isnull=False).order_by("pk")
        plans = (plan_pruning(case, now=timezone.now()) for case in closed.iterator())
        listed = [self._show(plan) for plan in plans if plan.size_bytes]
        if not listed:
            self.stdout.write("No closed case has anything to prune.")

    def _show(self, plan: PrunePlan) -> str:
        kinds = ", ".join(
            f"{kind.kind.label.lower()}: {kind.things} ({kind.rows} rows, "
            f"{filesizeformat(kind.size_bytes)})"
            for kind in plan.kinds
            if kind.rows
        ).replace("\xa0", " ")
        said = f"{plan.incident.reference}: {kinds}"
        self.stdout.write(said)
        for obstacle in plan.obstacles or ("Nothing is in the way.",):
            self.stdout.write(f"  {obstacle}")
        return said

    def _check(self, reference: str) -> None:
        wanted = drop_unstorable(reference).strip()
        incident = Incident.objects.filter(reference=wanted).first()
        if incident is None:
            raise CommandError(f"There is no case {wanted}. Check the reference.")
        count = Tombstone.objects.filter(incident=incident).count()
        if not count:
            self.stdout.write(f"{wanted}: nothing of it was pruned.")
            return
        faults = list(find_tombstone_faults(incident))
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"{wanted}: {len(faults)} of {count} do not hold.")
        self.stdout.write(
            f"{wanted}: {count} tombstones hold; what they name is in the archives."
        )

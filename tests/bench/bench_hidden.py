"""Whether a hidden case can be told by time: `python -m tests.bench.bench_hidden`.

Starts PostgreSQL and Valkey in a folder of its own, hides half of the cases from
somebody, and asks in turns for hidden rows and for rows that are not there: a case's
page, an item's page, a case and an item of the API, and evidence by its digest. Prints
a Markdown table of medians, with how far the same thing asked twice is apart, which is
what nobody can tell from noise. Ends with code 1 where hidden and missing differ by
more than three times that and more than half a millisecond.
"""

from __future__ import annotations

import logging
import statistics
import sys
import time
from typing import Any

from tests.bench.database import run_with_database
from tests.bench.sizes import choose

ROUNDS = choose(200, 2)
CASES = choose(20, 2)
LEAST_SECONDS = choose(0.0005, float("inf"))
KINDS = ("hidden", "missing", "missing again")
MISSING = 10**15


def main() -> int:
    return run_with_database("tests.bench.bench_hidden", _measure)


def _measure() -> int:
    from django.conf import settings
    from django.test import Client, override_settings

    from incidents.models import Incident
    from tests.api.conftest import make_client
    from tests.conftest import make_user
    from tests.evidence.helpers import receive
    from tests.factories import make_incident

    owner, stranger = make_user("owner", "responder"), make_user("other", "responder")
    cases = [make_incident(actor=owner) for _ in range(CASES)]
    items = [receive(case.pk, f"{case.pk}".encode(), "a.log") for case in cases]
    Incident.everything.filter(pk__in=[case.pk for case in cases]).update(
        is_restricted=True
    )
    browser, program = Client(), make_client(stranger, "read")
    browser.force_login(stranger)
    asked: dict[str, tuple[Any, list[str], str]] = {
        "a case's page": (
            browser,
            [f"/admin/incidents/incident/{case.pk}/change/" for case in cases],
            f"/admin/incidents/incident/{MISSING}/change/",
        ),
        "an item's page": (
            browser,
            [f"/admin/evidence/evidenceitem/{item.pk}/change/" for item in items],
            f"/admin/evidence/evidenceitem/{MISSING}/change/",
        ),
        "a case of the API": (
            program,
            [f"/api/v1/incidents/{case.reference}/" for case in cases],
            "/api/v1/incidents/SEC-INC-2001-0001/",
        ),
        "an item of the API": (
            program,
            [f"/api/v1/evidence/{item.pk}/" for item in items],
            f"/api/v1/evidence/{MISSING}/",
        ),
        "evidence by its digest": (
            program,
            [f"/api/v1/evidence/?sha256_hex={item.sha256_hex}" for item in items],
            f"/api/v1/evidence/?sha256_hex={'0' * 64}",
        ),
    }
    rates = dict.fromkeys(settings.API_RATES_PER_MINUTE, 10**6)
    logging.disable(logging.WARNING)  # each 404 is a line
    print(f"| asked for | {', ms | '.join(KINDS)}, ms |\n| --- | ---: | ---: | ---: |")
    told = 0
    for name, (client, hidden, missing) in asked.items():
        with override_settings(API_RATES_PER_MINUTE=rates):
            found = _medians(client, hidden, missing)
        told += _can_be_told(found)
        figures = " | ".join(f"{1000 * found[kind]:.2f}" for kind in KINDS)
        print(f"| {name} | {figures} |", flush=True)
    return int(told > 0)


def _medians(client: Any, hidden: list[str], missing: str) -> dict[str, float]:
    """Return the median seconds of each kind, asked in turns."""
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(ROUNDS):
        urls = dict.fromkeys(KINDS, missing) | {"hidden": hidden[number % len(hidden)]}
        order = KINDS[number % 3 :] + KINDS[: number % 3]
        for kind in order:
            start = time.perf_counter()
            answer = client.get(urls[kind])
            taken[kind].append(time.perf_counter() - start)
            is_absent = answer.status_code == 404 or answer.json()["results"] == []
            assert is_absent, urls[kind]
    return {kind: statistics.median(found) for kind, found in taken.items()}


def _can_be_told(found: dict[str, float]) -> bool:
    noise = abs(found["missing"] - found["missing again"])
    apart = abs(found["hidden"] - found["missing"])
    return apart > max(3 * noise, LEAST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())

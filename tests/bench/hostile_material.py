"""Hostile material for each kind of work, and the rows that ask for the work."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote


def variables() -> dict[str, str]:
    """Return the environment in which a process has the bench's database and store."""
    from django.conf import settings
    from django.db import connection

    database = connection.settings_dict
    secret = f"{quote(database['USER'])}:{quote(database['PASSWORD'])}"
    return {
        "DATABASE_URL": f"postgres://{secret}@/{database['NAME']}"
        f"?host={quote(database['HOST'])}",
        "EVIDENCE_ROOT": str(settings.EVIDENCE_ROOT),
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
    }


# --- Documents ------------------------------------------------------------------------


@cache
def bundle_around() -> tuple[bytes, bytes]:
    """Return a sound small bundle, cut where one more member may stand."""
    from tests.evidence.helpers import read_vector

    text = json.dumps(json.loads(read_vector("plain"))).encode()
    return text[:-1] + b', "more": ', b"}"


def in_bundle(value: bytes) -> bytes:
    before, after = bundle_around()
    return before + value + after


def repeated(one: bytes, size: int) -> bytes:
    """Return an array of one value over and over, of about so many bytes."""
    return b"[" + b",".join([one] * (size // (len(one) + 1))) + b"]"


def nested(size: int) -> bytes:
    """Return arrays within arrays to the depth that is allowed, over and over."""
    depth = 60
    return in_bundle(repeated(b"[" * depth + b"]" * depth, size))


def big_integers(size: int) -> bytes:
    """Return integers that doubles equal, as long as such are taken."""
    return in_bundle(repeated(str(2**1023).encode(), size))


def odd_floats(size: int) -> bytes:
    """Return numbers that the fast way of reading does not write as they stand."""
    return in_bundle(repeated(b"1e-7", size))


def escapes(size: int) -> bytes:
    return in_bundle(b'"' + b"\\u00e9" * (size // 6) + b'"')


def names(size: int, *, is_twice: bool = False) -> bytes:
    """Return one object of very many members in no order, the last of them twice."""
    count = size // 16
    listed = [b'"%08x":1' % (number * 2654435761 % 2**32) for number in range(count)]
    if is_twice:
        listed.append(listed[-1])
    return in_bundle(b"{" + b",".join(listed) + b"}")


def ledger_of(entry: bytes, size: int) -> bytes:
    """Return a ledger of as many entries as fit, all the same."""
    from evidence.format.names import LEDGER_SCHEMA

    count = size // (len(entry) + 1)
    head = {"schema": LEDGER_SCHEMA, "generated_at_ms": 1, "entry_count": count}
    head |= {"head_ledger_hash": None, "tail_ledger_hash": None, "data_hash": "0" * 64}
    text = json.dumps(head).encode()
    return text[:-1] + b', "entries": ' + repeated(entry, size) + b"}"


def sound_ledger(size: int) -> bytes:
    """Return a ledger of the shortest sound calls, chained."""
    from evidence.format import seal_ledger_entries
    from tests.evidence.helpers import make_ledger_entry

    texts = ("extension_id", "call_id", "capability", "method", "policy_reason")
    short: dict[str, Any] = {**dict.fromkeys(texts, "a"), "params_hash": "a"}
    entries = [
        make_ledger_entry(number, **short, risk_score=0)
        for number in range(1, max(2, size // 420))
    ]
    return json.dumps(seal_ledger_entries(entries), separators=(",", ":")).encode()


DOCUMENTS: dict[str, Callable[[int], bytes]] = {
    "a ledger of entries of one byte": lambda size: ledger_of(b"0", size),
    "a ledger of empty entries": lambda size: ledger_of(b"{}", size),
    "a sound ledger of the shortest calls": sound_ledger,
    "arrays in arrays, 60 deep": nested,
    "empty objects": lambda size: in_bundle(repeated(b"{}", size)),
    "integers of 308 digits": big_integers,
    "floats written otherwise": odd_floats,
    "one text of escapes": escapes,
    "one object of all members": names,
    "one member twice at the end": lambda size: names(size, is_twice=True),
}


# --- What is exported -----------------------------------------------------------------


def with_text(text: str) -> bytes:
    from tests.evidence.helpers import read_vector, reseal

    document = json.loads(read_vector("redaction.source"))
    document["note"] = text
    return reseal(document)


def words(size: int) -> bytes:
    """Return a bundle with one text of very many short words."""
    return with_text("ab " * (size // 3))


def coded(size: int) -> bytes:
    """Return a bundle with one text that may be base64 of base64 all along."""
    import base64

    text = "A secret in base64, and once more. "
    for _ in range(3):
        text = base64.b64encode(text.encode() * 3).decode()
    return with_text((text * (size // len(text) + 1))[:size])


def alike(size: int) -> bytes:
    """Return a bundle whose hidden values and texts all begin alike."""
    from evidence.simulation import simulate_document
    from tests.evidence.helpers import reseal

    count = max(10, size // 700)
    document = simulate_document(calls=count)
    document["note"] = " ".join(f"sha256:{number:x}!" for number in range(count))
    for number, record in enumerate(document["hostcall_telemetry"]):
        record["params_hash"] = f"sha256:{number:060x}"
    return reseal(document)


EXPORTED: dict[str, tuple[Callable[[int], bytes], int]] = {
    "one text of short words": (words, 3_000_000),
    "one text of base64 in base64": (coded, 300_000),
    "hidden values that begin alike": (alike, 10_000_000),
}


# --- Postmortems ----------------------------------------------------------------------

LONG = 20_000


def table(share: float) -> str:
    rows = max(2, int(LONG * share / 10))
    return "| a | b |\n| - | - |\n" + "| c | d |\n" * rows


TEXTS: dict[str, Callable[[float], str]] = {
    "a word without a break": lambda share: "x" * int(LONG * share),
    "a table": table,
    "a table of one long cell": lambda share: (
        "| a | b |\n| - | - |\n| " + "word " * int(LONG * share / 5) + "| c |\n"
    ),
    "lists in lists": lambda share: "".join(
        "  " * (n % 100) + "- x\n" for n in range(int(LONG * share / 130))
    ),
    "quotes in quotes": lambda share: "\n\n".join(
        [">" * 100 + " x"] * max(1, int(LONG * share / 110))
    ),
    "right to left": lambda share: "\u202e\u0645\u0631" * int(LONG * share / 3),
    "emoji": lambda share: "\U0001f600" * int(LONG * share),
    "control characters": lambda share: "\u200b\u0085" * int(LONG * share / 2),
    "marks of emphasis": lambda share: "*a_" * int(LONG * share / 3),
    "brackets": lambda share: "[" * int(LONG * share),
    "back-ticks": lambda share: "".join("`" * (n % 200) + " " for n in range(200)),
    "code without a break": lambda share: "```\n" + "x" * int(LONG * share) + "\n```",
}


# --- Rows that ask --------------------------------------------------------------------


def received(data: bytes) -> Any:
    from tests.evidence.helpers import receive
    from tests.factories import make_incident

    return receive(make_incident().pk, data, "bundle.json")


def ask_verification(make: Callable[[int], bytes], size: int) -> int:
    item = received(make(size))
    return int(item.verification_requests.get().pk)


def ask_reading(make: Callable[[int], bytes], size: int) -> int:
    """Ask for the extensions and quotas of what is verified."""
    from policy.services.readings import take_up_evidence

    item = verified(make(size))
    take_up_evidence()
    return int(item.policy_readings.get().pk)


def ask_findings(make: Callable[[int], bytes], size: int) -> int:
    return int(verified(make(size)).incident_id)


def verified(data: bytes) -> Any:
    """Return an item that was verified where there is room for it.

    Raise EvidenceError where it could not be: nobody reads it further then.
    """
    from evidence.errors import EvidenceError
    from policy.services.readings import READABLE_OUTCOMES
    from tests.factories import make_evidence, make_incident

    item = make_evidence(make_incident(), content=data, name="bundle.json")
    if not item.reports.filter(outcome__in=READABLE_OUTCOMES).exists():
        raise EvidenceError("It could not be verified, so nobody reads it.")
    return item


def ask_export(make: Callable[[int], bytes], size: int) -> int:
    from evidence.format.redaction import REDACTION_FLAGS
    from evidence.services import request_export

    request = request_export(
        item_id=received(make(size)).pk,
        filter={},
        redaction=dict.fromkeys(REDACTION_FLAGS, True),
        deep=True,
        actor=None,
    )
    return int(request.pk)


def ask_pdf(make: Callable[[float], str], share: float) -> int:
    from incidents.services.postmortems.pdfs import request_pdf
    from incidents.workflow.postmortem import SECTIONS
    from tests.factories import make_user
    from tests.incidents.postmortem.cases import make_postmortem, submit, write

    texts = {section.key: make(share)[:LONG] or "x" for section in SECTIONS}
    version = submit(write(make_postmortem(), **texts))
    return int(request_pdf(actor=make_user(), version_id=version.pk).pk)


def ask_archive(share: float) -> int:
    """Ask for the archive of a case of many items and long remarks."""
    from evidence.accounts.access import Role
    from incidents.services.archives.requests import request_archive
    from tests.evidence.helpers import receive
    from tests.factories import make_incident, make_user

    case = make_incident()
    for number in range(max(2, int(300 * share))):
        data = b"%d " % number * int(max(10, 500_000 * share))
        receive(case.pk, data, f"{'n' * 180}{number}.log")
    made = request_archive(incident_id=case.pk, actor=make_user(Role.REVIEWER))
    return int(made.pk)


# --- Doing it -------------------------------------------------------------------------


def _verify(row: int) -> None:
    from evidence.services import run_verification

    run_verification(request_id=row)


def _read(row: int) -> None:
    from policy.services.readings import run_reading

    run_reading(reading_id=row)


def _look(row: int) -> None:
    from incidents.services.findings.gathering import gather_findings

    gather_findings(incident_id=row)


def _how_looked(row: int) -> str:
    from incidents.models import EvidenceReading

    problems = EvidenceReading.objects.get(incident=row).problems
    return "; ".join(problems)[:300] or "answered"


def _export(row: int) -> None:
    from evidence.services import run_export

    run_export(request_id=row)


def _pdf(row: int) -> None:
    from incidents.services.postmortems.pdfs import run_pdf

    run_pdf(pdf_id=row)


def _archive(row: int) -> None:
    from incidents.services.archives.requests import run_archive

    run_archive(archive_id=row)


def _how(model: str, row: int) -> str:
    """Return the state of a row, and why where it is not done."""
    from django.apps import apps

    found = apps.get_model(model).objects.get(pk=row)
    why = f": {found.failure or found.last_problem}" if found.state != "done" else ""
    if model == "evidence.VerificationRequest" and not why:
        report = found.report
        why = f": {report.outcome} {report.refusal_code}, {report.error_count} errors"
    return f"{found.get_state_display()}{why}"[:300]


RUNS: dict[str, tuple[Callable[[int], None], Callable[[int], str]]] = {
    "verify": (_verify, lambda row: _how("evidence.VerificationRequest", row)),
    "read": (_read, lambda row: _how("policy.BundleReading", row)),
    "findings": (_look, _how_looked),
    "export": (_export, lambda row: _how("evidence.ExportRequest", row)),
    "pdf": (_pdf, lambda row: _how("incidents.PostmortemPdf", row)),
    "archive": (_archive, lambda row: _how("incidents.CaseArchive", row)),
}
LIMITS = {
    "verify": 600,
    "read": 300,
    "findings": 300,
    "export": 900,
    "pdf": 120,
    "archive": 1770,
}

"""Nothing that is redacted is left in any byte of an export, in any form."""

import json

import pytest

from evidence import storage
from evidence.format import REDACTION_FLAGS, read_document, verify_document
from evidence.format.hiding import Secrets, strings_held
from evidence.format.names import (
    OUTCOMES,
    POLICY_DECISIONS,
    REDACTED_MEMBERS,
    SELECTED_ACTIONS,
    Severity,
)
from evidence.format.redaction import IncidentBundleRedactionPolicy
from evidence.format.redactor import Redactor
from evidence.models import AuditEntry, CustodyEvent, WorkState
from evidence.services import request_export, run_export
from tests.canaries import (
    CANARIES,
    NAME,
    VALUES,
    forms,
    planted_bundle,
    traces,
    verse,
)
from tests.evidence.helpers import read_vector, receive
from tests.factories import make_incident

pytestmark = [pytest.mark.django_db, pytest.mark.long]
FULL = dict.fromkeys(REDACTION_FLAGS, True)
FLAGGED = {member for rows in REDACTED_MEMBERS.values() for _, member in rows}
WORDS = {*POLICY_DECISIONS, *SELECTED_ACTIONS, *OUTCOMES, *map(str, Severity)}


def free_texts():
    """Return (section, member) of every text in a bundle that is no word or hash.

    From the sample itself: what the format gets later is planted too.
    """
    document = json.loads(read_vector("redaction.source"))
    sections = {"risk_ledger": document["risk_ledger"]["entries"]}
    sections |= {name: held for name, held in document.items() if type(held) is list}
    return sorted(
        {
            (section, member)
            for section, records in sections.items()
            for record in records
            for member, value in record.items()
            if _is_free(member, value)
        }
    )


def _is_free(member, value):
    texts = value if type(value) is list else [value]
    return (
        member not in FLAGGED
        and not member.endswith("ledger_hash")
        and all(type(text) is str and text not in WORDS for text in texts)
    )


def export(data, actor, *, name="bundle.json", deep):
    item = receive(make_incident().pk, data, name)
    request = request_export(
        item_id=item.pk, filter={}, redaction=FULL, deep=deep, actor=actor
    )
    return run_export(request_id=request.pk)


def everything_said_of(done):
    """Return what people can read of an export besides the file: none tells a value."""
    said = [done.failure, json.dumps(done.report)]
    said += CustodyEvent.objects.filter(kind="exported").values_list(
        "detail", flat=True
    )
    rows = AuditEntry.objects.filter(action__startswith="evidence.export")
    return [*said, *(json.dumps(row.after) for row in rows)]


def test_no_canary_is_left_in_any_byte_of_a_deeply_redacted_export(responder):
    document = json.loads(planted_bundle())
    for section, member in free_texts():
        held = document[section]
        record = (held["entries"] if section == "risk_ledger" else held)[-1]
        record[member] = [verse()] if type(record[member]) is list else verse()
    data = json.dumps(document).encode()
    done = export(data, responder, name=f"dump of {NAME}.json", deep=True)

    assert (done.state, done.failure) == (WorkState.DONE, "")
    made = storage.read_verified(done.result.sha256_hex)
    texts = [made.decode(), json.dumps(read_document(made), ensure_ascii=False)]
    for text in (*texts, done.result.original_name, *everything_said_of(done)):
        assert traces(text) == []
    report = verify_document(made, source=data).as_dict()["report"]
    assert (report["leaks"], report["steps"]["redaction"]) == ([], "pass")
    replaced = {row["path"].split(".")[-1] for row in done.report["replaced"]}
    assert {member for _, member in free_texts()} <= {
        name.removesuffix("[]") for name in replaced
    }


@pytest.mark.parametrize(("section", "member"), free_texts())
def test_a_leak_in_any_text_fails_an_export_and_says_where(section, member, responder):
    document = json.loads(read_vector("redaction.source"))
    secret = document["secret_broker"][0]["name_hash"]
    held = document[section]
    record = (held["entries"] if section == "risk_ledger" else held)[0]
    text = f"It was {secret}."
    record[member] = [text] if type(record[member]) is list else text
    done = export(json.dumps(document).encode(), responder, deep=False)
    assert (done.state, done.result) == (WorkState.FAILED, None)
    assert f".{member}" in done.failure
    assert "(raw_value)" in done.failure
    assert all(secret not in said for said in everything_said_of(done))


def test_a_leak_in_the_file_name_fails_an_export(responder):
    document = json.loads(read_vector("redaction.source"))
    document["secret_broker"][0]["name_hash"] = VALUES["name_hash"]
    data = json.dumps(document).encode()
    done = export(data, responder, name=f"dump of {NAME}.json", deep=False)
    assert done.report["leaks"] == [{"path": "the file's name", "kind": "name_spelled"}]


@pytest.mark.parametrize("canary", CANARIES)
def test_every_form_of_a_canary_is_found(canary):
    """Without deep redaction it is the finding that keeps an export from being made."""
    secrets = Secrets.of_held(strings_held(VALUES, VALUES))
    missed = [form for form in forms(canary) if not secrets.find(f"Note: {form} so.")]
    assert missed == []
    redactor = Redactor(IncidentBundleRedactionPolicy.full(), secrets, deep=True)
    for form in forms(canary):
        assert traces(redactor.text(f"Note: {form} so.", path="$")) == []

"""How rows are held against the cases that are hidden: by what they name."""

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, TextField, Value

from evidence.models.case_bound import KeyAmong, KeyIn, NamedIn
from incidents.models import Incident, ReferenceCounter
from tests.factories import NOON, make_incident

pytestmark = pytest.mark.django_db
KEYS = ArrayField(BigIntegerField())


def said(text: str | None) -> Value:
    return Value(text, output_field=TextField())


@pytest.mark.parametrize(
    ("text", "is_named"),
    [
        ("see {0}", True),
        ("{0}", True),
        ('{{"case": "{0}", "other": 1}}', True),
        ("as in x{0}, and so on", True),
        ("SEC-INC-2026-0009 and {0}", True),
        ("{0}1, which is another", False),
        ("sec-inc-2026-0001", False),
        ("SEC-INC-2026-", False),
        ("", False),
        (None, False),
    ],
)
def test_a_case_is_named_where_its_whole_reference_stands(text, is_named):
    case = make_incident()
    told = text and text.format(case.reference)
    named = NamedIn("reference", said("nothing"), said(told))
    assert Incident.everything.filter(named).exists() is is_named


def test_a_case_of_a_longer_number_is_named():
    ReferenceCounter.objects.create(year=NOON.year, last_number=123_455)
    reference = make_incident().reference
    assert reference == "SEC-INC-2026-123456"
    for text, is_named in ((f"{reference}.", True), (reference[:-2], False)):
        named = NamedIn("reference", said(text))
        assert Incident.everything.filter(named).exists() is is_named


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("incident:12", 12),
        ("reads:7", 7),
        ("incident:", None),
        ("incident:twelve", None),
        ("incident:12:13", None),
        ("incident:12\n", None),
        ("extension:12", None),
        ("incident:9999999999999999999999", None),
    ],
)
def test_a_key_is_read_from_a_stream_and_from_nothing_else(text, key):
    make_incident()
    form = "^(?:incident|reads):[0-9]{1,18}$"
    rows = Incident.everything.annotate(found=KeyIn(said(text), form=form, colons=1))
    assert rows.get().found == key


def test_a_key_is_found_in_an_array():
    case = make_incident()
    for keys, is_there in (([case.pk, 0], True), ([0], False), ([], False)):
        array = Value(keys, output_field=KEYS)
        found = Incident.everything.filter(KeyAmong("pk", array))
        assert found.exists() is is_there

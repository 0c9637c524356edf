"""Whatever is sent, with whatever scope, is answered as documented; never by a fault.

Bounded here (`make walk`), longer in `make slow`. A filled database, so that requests
reach rows; each test takes back what it did.
"""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application
from rest_framework.test import APIClient

from evidence.accounts.tokens import create_token
from evidence.models import TokenScope
from tests.api.conftest import same_connection  # noqa: F401 (a fixture)
from tests.api.fuzzing import SCHEMA, find_faults
from tests.api.records.answers import list_operations, make_reader, read_document

pytestmark = pytest.mark.django_db
NO_TOKEN = "no token"
SCOPES = (NO_TOKEN, *TokenScope.values)
HEADERS = [
    {"HTTP_IF_NONE_MATCH": '"' + "\udcff" * 3},
    {"HTTP_IF_NONE_MATCH": 'W/"' + "x" * 5_000},
    {"HTTP_IF_NONE_MATCH": "*, ,,"},
    {"HTTP_ACCEPT": "application/json;q=abc, */;;;"},
    {"HTTP_ACCEPT": "text/" + "a" * 3_000},
    {"HTTP_ACCEPT": "\x00/\xff"},
    {"HTTP_ACCEPT_LANGUAGE": "en-" + "x" * 3_000},
    {"HTTP_RANGE": "bytes=-5--9,999999999999999999999-"},
    {"HTTP_IF_MATCH": '"-1"'},
    {"CONTENT_TYPE": "application/json; charset=no-such-thing"},
    {"CONTENT_TYPE": "multipart/form-data"},
    {"CONTENT_LENGTH": "-1"},
]
QUERIES = [
    "fields=%00",
    "fields=" + "id," * 3_000,
    "fields=__class__,pk,password",
    "fields=%ff%fe",
    "page_size=-1",
    "page_size=0",
    "page_size=99999999999999999999999",
    "page_size=%D9%A1",
    "cursor=%00",
    "cursor=AAAA",
    "cursor=" + "A" * 5_000,
    "cursor=bnVsbA%3D%3D",
    "ordering=-",
    "ordering=id%00",
    "modified_since=%00",
    "modified_since=-1",
    "modified_since=99999-01-01T00:00:00Z",
    "as_of=%ff",
    "format=%00",
    "format=html",
    "id=1&id=2&%00=%00",
]


@pytest.fixture
def unlimited(settings: Any, same_connection: None) -> None:  # noqa: F811
    """No limits of rates, and the WSGI application in the test's own transaction."""
    settings.API_RATES_PER_MINUTE = dict.fromkeys(settings.API_RATES_PER_MINUTE, 10**6)


def open_schema(scope: str) -> Any:
    """Return the document as a program with just this scope would send by it."""
    if scope == NO_TOKEN:
        schema = schemathesis.openapi.from_dict(read_document())
        schema.app = get_wsgi_application()
        return schema
    root = User.objects.get(username="root")
    scopes = {scope, TokenScope.READ}
    _, secret = create_token(user=root, name="x", scopes=scopes, days=1, actor=None)
    return schemathesis.openapi.from_wsgi(
        SCHEMA, get_wsgi_application(), headers={"Authorization": f"Bearer {secret}"}
    )


@pytest.mark.walk
@pytest.mark.parametrize("scope", SCOPES)
def test_whatever_is_sent_is_answered_as_documented(
    everything: Any, unlimited: None, scope: str
) -> None:
    assert find_faults(open_schema(scope), examples=1) == {}


@pytest.mark.slow
@pytest.mark.parametrize("scope", SCOPES)
def test_whatever_is_sent_for_long_is_answered_as_documented(
    everything: Any, unlimited: None, scope: str
) -> None:
    assert find_faults(open_schema(scope), examples=50) == {}


@pytest.mark.walk
def test_no_header_and_no_parameter_is_a_fault(
    everything: Any, unlimited: None
) -> None:
    """Of one list and one detail of each kind of view, every hostile value."""
    client = make_reader()
    client.raise_request_exception = False
    document = read_document()
    faults = []
    for number, (path, method, operation) in enumerate(list_operations(document)):
        address = path.replace("{reference}", everything.reference)
        address = address.replace("{id}", "1").replace("{report_pk}", "1")
        address = address.replace("{filename}", "x")
        # Each operation meets some of them, and all of them meet many operations.
        for headers in HEADERS[number % 4 :: 4]:
            faults += judge(client, method, address, operation, headers)
        if method == "get":
            for query in QUERIES[number % 3 :: 3]:
                faults += judge(client, method, f"{address}?{query}", operation, {})
    assert not faults, "\n".join(faults)


def judge(
    client: APIClient,
    method: str,
    address: str,
    operation: dict[str, Any],
    headers: dict[str, str],
) -> list[str]:
    """Send one request; return what was not as documented, or nothing."""
    response = client.generic(method.upper(), address, b"", **headers)
    status = response.status_code
    is_well = str(status) in operation["responses"] and status < 500
    return [] if is_well else [f"{method} {address} {headers}: {status}"]

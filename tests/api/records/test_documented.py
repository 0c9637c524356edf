"""The OpenAPI document says what each operation does, with examples that hold."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from rest_framework.test import APIClient

from evidence.api.base.examples import load_examples
from tests.api.records.answers import (
    list_operations,
    make_reader,
    read_answers,
    read_document,
)

pytestmark = [pytest.mark.django_db, pytest.mark.long]
SUMMARY_LENGTH = 90


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return read_document()


def check(schema: dict[str, Any], value: Any, document: dict[str, Any]) -> list[str]:
    """Return where a value differs from its schema."""
    whole = {**schema, "components": document["components"]}
    formats = Draft202012Validator.FORMAT_CHECKER
    errors = Draft202012Validator(whole, format_checker=formats).iter_errors(value)
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in errors]


def without_examples(part: Any) -> Any:
    """Return a document that is quicker to judge; its examples have their own test."""
    if isinstance(part, dict):
        kept = {key: value for key, value in part.items() if key != "example"}
        return {key: without_examples(value) for key, value in kept.items()}
    return [*map(without_examples, part)] if isinstance(part, list) else part


def bodies_of(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return each body that an operation takes or answers with, and where it is."""
    found = [("sent", operation.get("requestBody", {}))]
    found += list(operation["responses"].items())
    return [
        (f"{where} {media_type}", body)
        for where, part in found
        for media_type, body in part.get("content", {}).items()
    ]


@pytest.mark.walk
def test_document_is_openapi_3_1_and_valid(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    validate(without_examples(document))
    # Words of the version before, which nothing reads any more.
    assert "nullable" not in repr(document)


def test_every_operation_has_summary_description_and_examples(
    document: dict[str, Any],
) -> None:
    operations = list_operations(document)
    assert len(operations) > 150
    summaries = {}
    for path, method, operation in operations:
        summary = operation.get("summary", "")
        assert 0 < len(summary) <= SUMMARY_LENGTH, (path, method, summary)
        assert operation.get("description"), (path, method)
        summaries.setdefault((method, summary), []).append(path)
        bodies = bodies_of(operation)
        assert bodies, (path, method)
        bare = [where for where, body in bodies if "example" not in body]
        assert bare == [], (path, method)
    assert [paths for paths in summaries.values() if len(paths) > 1] == []


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    faults = {
        (path, method, where): found
        for path, method, operation in list_operations(document)
        for where, body in bodies_of(operation)
        if (found := check(body["schema"], body["example"], document))
    }
    assert faults == {}


def test_every_kept_example_is_of_something_that_exists(
    document: dict[str, Any],
) -> None:
    kept = load_examples()
    operations = {
        entry[2]["operationId"]: entry[2] for entry in list_operations(document)
    }
    assert set(kept["rows"]) <= set(document["components"]["schemas"])
    assert {name.split()[0] for name in kept["answers"]} <= set(operations)
    for name, bodies in kept["requests"].items():
        assert set(bodies) <= set(operations[name]["requestBody"]["content"]), name


@pytest.mark.walk
def test_what_is_answered_is_as_documented(
    everything: Any, document: dict[str, Any]
) -> None:
    """Of every GET operation, with the newest rows of the filled database."""
    operations = {
        entry[2]["operationId"]: entry[2] for entry in list_operations(document)
    }
    faults, answered = {}, set()
    for answer in read_answers(make_reader(), document):
        operation = operations[answer.operation]
        described = operation["responses"].get(str(answer.status), {})
        body = described.get("content", {}).get(answer.media_type)
        if body is None:
            faults[answer.path] = [f"{answer.status} {answer.media_type}"]
            continue
        is_text = isinstance(answer.body, bytes)
        found = [] if is_text else check(body["schema"], answer.body, document)
        faults |= {answer.path: found} if found else {}
        answered |= {answer.operation} if answer.status == 200 else set()
    assert faults == {}
    assert len(answered) > 100


EXAMPLES_THAT_ARE_TAKEN = {
    "alerts_create": ("/api/v1/alerts/", 207),
    "incidents_hold_create": ("/api/v1/incidents/{reference}/hold/", 201),
    "archives_create": ("/api/v1/archives/", 202),
}


@pytest.mark.parametrize("name", EXAMPLES_THAT_ARE_TAKEN)
def test_examples_of_requests_are_taken_as_they_are(
    everything: Any, document: dict[str, Any], name: str
) -> None:
    path, expected = EXAMPLES_THAT_ARE_TAKEN[name]
    body = load_examples()["requests"][name]["application/json"]
    if "incident" in body:
        body = {**body, "incident": everything.reference}
    client: APIClient = make_reader()
    address = path.replace("{reference}", everything.reference)
    response = client.post(address, body, format="json")
    assert response.status_code == expected, response.content
    schema = document["paths"][path]["post"]["responses"][str(expected)]["content"]
    assert check(schema["application/json"]["schema"], response.json(), document) == []

"""Made-up requests, held against what the API's document says of their answers."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

SCHEMA = "/api/v1/schema/"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]


def find_faults(schema: Any, *, examples: int) -> dict[str, str]:
    """Send made-up requests to every operation; return what was not as documented."""
    faults = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        try:
            _try_operation(operation, examples=examples)
        except (FailureGroup, Failure) as error:
            faults[operation.label] = str(error)[:1_000]
    return faults


def _try_operation(operation: Any, *, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    send()

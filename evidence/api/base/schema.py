"""What the OpenAPI document says beyond the views themselves."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from evidence.api.base.authentication import ApiTokenAuthentication
from evidence.api.base.examples import add_examples
from evidence.api.base.problems import CONTENT_TYPE, make_problem

METHODS = ("get", "post", "put", "patch", "delete")
ALWAYS = {
    "400": "The request is malformed, or a parameter is.",
    "401": "No token, or one that does not work.",
    "403": "The token's scope or the user's role does not allow it.",
    "404": "There is nothing here, or nothing that you may see.",
    "406": "None of the media types that Accept names is answered here.",
    "410": "It was here, and was pruned; the problem says which archive has it.",
    "429": "Too many requests; Retry-After says when to ask again.",
    "500": "Something went wrong here; it was logged.",
    "503": "The database does not answer; Retry-After says when to ask again.",
}
WHERE_IT_READS = {"412": "What is here is not what the header If-Match names."}
UNCHANGED = "Nothing differs from what the header If-None-Match names; no body."
WHERE_IT_CHANGES = {
    "409": "The state of the case, or an earlier request, is against it.",
    "422": "The content was read and is refused; `path` says where it is wrong.",
}
WITH_BODY = {
    "413": "The body is larger than allowed.",
    "415": "The body is of a type that is not taken here.",
}
WITH_REVISION = {
    "428": "The header If-Match, or `revision`, has to say what is edited."
}
# For the examples; docs/api.md has every code.
CODES = {
    "400": "validation_failed",
    "401": "not_authenticated",
    "403": "scope_missing",
    "404": "not_found",
    "406": "not_acceptable",
    "409": "edit_conflict",
    "410": "pruned",
    "412": "precondition_failed",
    "413": "too_large",
    "415": "unsupported_media_type",
    "422": "document_refused",
    "428": "precondition_required",
    "429": "throttled",
    "500": "internal_error",
    "503": "unavailable",
}
TEXT = {"type": "string"}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457). `code` is stable, the texts are not.",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "instance": TEXT,
        "code": TEXT,
        "path": {"type": "string", "description": "JSON path at fault in a document."},
        "problems": {"type": "array", "items": TEXT},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {"field": TEXT, "code": TEXT, "detail": TEXT},
            },
        },
        "changes": {
            "type": "array",
            "description": "What differs between the row you read and the row now.",
            "items": {"type": "object", "additionalProperties": {}},
        },
        "revision": {"type": "integer", "description": "The current one."},
        "changed_by": TEXT,
        "request_id": TEXT,
    },
    "additionalProperties": {},
}


class ApiTokenScheme(OpenApiAuthenticationExtension):
    target_class = ApiTokenAuthentication
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer"}


def add_problems(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Document the problem answers of every operation. A post-processing hook."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    _allow_anything(result)
    for operations in result["paths"].values():
        for method in METHODS:
            if method in operations:
                _state_streams(operations[method])
                _add_to(operations[method], method)
                add_examples(operations[method], schemas)
    return result


def _allow_anything(part: Any) -> None:
    """Take `anything, or null` for anything: written as a choice, null fits both."""
    values = list(part.values()) if isinstance(part, dict) else part
    for value in values:
        if isinstance(value, dict) and value.get("oneOf") == [{}, {"type": "null"}]:
            del value["oneOf"]
        if isinstance(value, (dict, list)):
            _allow_anything(value)


def _state_streams(operation: dict[str, Any]) -> None:
    """Say of a stream that it is text: each line is a row of the list's results."""
    content = operation["responses"].get("200", {}).get("content", {})
    for media_type in ("application/x-ndjson", "text/csv"):
        if media_type in content:
            content[media_type] = {"schema": {"type": "string"}}


def _add_to(operation: dict[str, Any], method: str) -> None:
    reference = {"$ref": "#/components/schemas/Problem"}
    headers = {parameter["name"] for parameter in operation.get("parameters", ())}
    described = {
        **ALWAYS,
        **(WHERE_IT_READS if method == "get" else WHERE_IT_CHANGES),
        **(WITH_BODY if "requestBody" in operation else {}),
        **(WITH_REVISION if "If-Match" in headers else {}),
    }
    responses = operation["responses"]
    for status, description in described.items():
        example = make_problem(
            int(status), CODES[status], description, instance="/api/v1/…"
        )
        content = {CONTENT_TYPE: {"schema": reference, "example": example}}
        responses.setdefault(status, {"description": description, "content": content})
    if method == "get":
        responses.setdefault("304", {"description": UNCHANGED})
    operation["responses"] = dict(sorted(responses.items()))

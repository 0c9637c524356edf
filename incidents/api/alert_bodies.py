"""The body of an alert request, taken apart so that a bad alert spoils no other.

The envelope is read leniently and only for its structure; the text of each alert is
then read by itself, strictly (docs/evidence-format.md, section 1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

BATCH_MAX = 1_000
BODY_MAX_BYTES = 8 * 1024 * 1024
"""1,000 alerts with every text at its longest."""
WHITE_SPACE = " \t\r\n"
# Numbers are only skipped here: one of many digits must not cost arithmetic.
SKIMMER = json.JSONDecoder(parse_int=len, parse_float=len)


class BodyTooLarge(APIException):
    status_code = 413
    default_code = "too_large"


@dataclass(frozen=True)
class AlertBody:
    """The alerts' texts, in order, and the source that the envelope names, if any."""

    texts: tuple[str, ...]
    source: str | None
    is_batch: bool


class AlertBodyParser(BaseParser):
    """Reads a JSON body up to the limit, and leaves it as bytes."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        data: bytes = stream.read(BODY_MAX_BYTES + 1)
        if len(data) > BODY_MAX_BYTES:
            raise BodyTooLarge(
                f"The body is too large: {BODY_MAX_BYTES} bytes are the most. Split it."
            )
        return data


def split_body(data: bytes) -> AlertBody:
    """Take a body apart: an alert, an array of alerts, or {"source", "alerts"}.

    Raise ParseError where the structure cannot be followed, BodyTooLarge for more than
    BATCH_MAX alerts.
    """
    try:
        text = data.decode("utf-8")
        start = _skip(text, 0)
        if text.startswith("[", start):
            texts, end = _split_array(text, start)
            body = AlertBody(texts, None, is_batch=True)
        else:
            body, end = _split_object(text, start)
        if _skip(text, end) != len(text):
            raise ParseError(
                "There is something after the JSON value. Send one value only."
            )
    except (ValueError, IndexError, RecursionError) as error:
        raise ParseError(f"The body is not JSON in UTF-8: {error}") from error
    if len(body.texts) > BATCH_MAX:
        raise BodyTooLarge(
            f"The batch has {len(body.texts)} alerts, and {BATCH_MAX} are the most. "
            "Split it.",
            code="batch_too_large",
        )
    if not body.texts:
        raise ParseError(
            "The batch holds no alert. Send at least one.", code="empty_batch"
        )
    return body


def _split_object(text: str, start: int) -> tuple[AlertBody, int]:
    """Read an envelope, or a single alert: an object without `alerts`."""
    members, end = _split_members(text, start)
    if "alerts" not in members:
        return AlertBody((text[start:end],), None, is_batch=False), end
    unknown = sorted(set(members) - {"alerts", "source"})
    if unknown:
        raise ParseError("Beside `alerts` only `source` may stand in a batch.")
    texts, _ = _split_array(members["alerts"], 0)
    source = json.loads(members["source"]) if "source" in members else None
    if source is not None and not isinstance(source, str):
        raise ParseError("The member `source` has to be a string.")
    return AlertBody(texts, source, is_batch=True), end


def _split_members(text: str, start: int) -> tuple[dict[str, str], int]:
    members: dict[str, str] = {}
    place = _skip(text, _expect(text, start, "{"))
    while text[place] != "}":
        name, place = SKIMMER.raw_decode(text, place)
        if not isinstance(name, str) or name in members:
            raise ParseError("A member's name is no string, or stands there twice.")
        place = _skip(text, _expect(text, _skip(text, place), ":"))
        _, end = SKIMMER.raw_decode(text, place)
        members[name] = text[place:end]
        place = _next(text, end, "}")
    return members, place + 1


def _split_array(text: str, start: int) -> tuple[tuple[str, ...], int]:
    texts: list[str] = []
    place = _skip(text, _expect(text, start, "["))
    while text[place] != "]":
        _, end = SKIMMER.raw_decode(text, place)
        texts.append(text[place:end])
        place = _next(text, end, "]")
    return tuple(texts), place + 1


def _next(text: str, place: int, closing: str) -> int:
    """Return where the next value starts, or where the closing bracket stands."""
    place = _skip(text, place)
    if text[place] == closing:
        return place
    place = _skip(text, _expect(text, place, ","))
    if text[place] == closing:
        raise ValueError(f"expected a value after the comma at character {place}")
    return place


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in WHITE_SPACE:
        place += 1
    return place


def _expect(text: str, place: int, character: str) -> int:
    if not text.startswith(character, place):
        raise ValueError(f"expected {character!r} at character {place}")
    return place + 1

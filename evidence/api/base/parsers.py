"""JSON bodies and forms, whatever is in them."""

from __future__ import annotations

import codecs
import json
from typing import Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser
from rest_framework.utils.json import strict_constant

from evidence.api.base.repeated import members_once, refuse_repeated


class PlainJsonParser(JSONParser):
    """JSON that Python can read, each member once.

    Too deep a nesting is an error of the sender.
    """

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Any = None
    ) -> Any:
        coding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        try:
            return json.load(
                codecs.getreader(coding)(stream),
                parse_constant=strict_constant,
                object_pairs_hook=members_once,
            )
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from error


class PlainFormParser(FormParser):
    """A form in which nothing is sent twice."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Any = None
    ) -> Any:
        form = super().parse(stream, media_type, parser_context)
        refuse_repeated(form)
        return form

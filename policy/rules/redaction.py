"""Removing secrets from a JSON document before anything else sees it.

Guarantees: a value under a secret-looking name, and a text that looks like a
token, a private key, a credential in a URL or in an option, is replaced by
`[REDACTED]`, and its path is noted. A member name that is a token is replaced
too, so that no path repeats it. Does not guarantee that a secret without any
such sign is found: the note of the paths is for a person to check.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Any, Final

from policy.rules.json_paths import child_path
from policy.rules.secrets import is_listed_name

PLACEHOLDER: Final = "[REDACTED]"


class RedactionKind(StrEnum):
    """Why something was redacted."""

    SECRET_NAME = "secret_name"  # noqa: S105 - a kind, not a password
    TOKEN = "token"  # noqa: S105 - a kind, not a password
    PRIVATE_KEY = "private_key"
    CREDENTIAL_IN_TEXT = "credential_in_text"
    HIGH_ENTROPY = "high_entropy"
    MEMBER_NAME = "member_name"


@dataclass(frozen=True)
class Redaction:
    """One thing that was removed: where it stood, and why. Never what it was."""

    path: str
    kind: RedactionKind


# Published token shapes: distinct enough to be redacted wherever they stand.
_TOKEN: Final = re.compile(
    r"""
    (?<![A-Za-z0-9])(?:
        sk-[A-Za-z0-9_-]{16,}               # OpenAI, Anthropic and others
      | [rs]k_(?:live|test)_[A-Za-z0-9]{16,}  # Stripe
      | gh[pousr]_[A-Za-z0-9]{20,}          # GitHub
      | github_pat_[A-Za-z0-9_]{20,}
      | glpat-[A-Za-z0-9_-]{16,}            # GitLab
      | npm_[A-Za-z0-9]{30,}
      | pypi-[A-Za-z0-9_-]{30,}
      | hf_[A-Za-z0-9]{20,}                 # Hugging Face
      | gsk_[A-Za-z0-9]{20,}                # Groq
      | xai-[A-Za-z0-9]{20,}
      | xox[abeoprs]-[A-Za-z0-9-]{10,}      # Slack
      | (?:AKIA|ASIA)[A-Z0-9]{16}           # AWS
      | AIza[A-Za-z0-9_-]{30,}              # Google
    )
      # Of several runs: only at a run's beginning, so that time stays in line.
      | (?<![A-Za-z0-9_-])(?:
        SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16}      # SendGrid
      | eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.     # JSON Web Token
    )
    """,
    re.VERBOSE,
)
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_URL_PASSWORD: Final = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*+://[^\s/@:]*+:[^\s/@]++@"
)
_BEARER: Final = re.compile(r"\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.I)
# NAME=value, --name=value, ?name=value, and "Name: value" as in a header.
_ASSIGNMENT: Final = re.compile(
    r"(?<![A-Za-z0-9_-])-{0,2}+([A-Za-z][A-Za-z0-9_-]*+)\s?[=:]\s?[^\s&]"
)
_OPTION: Final = re.compile(r"--?[A-Za-z][A-Za-z0-9_-]*")

_WORD_BREAK: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
# What secrets are called beside the broker's suffixes; whole words of a name.
_SECRET_WORDS: Final = frozenset(
    {
        "APIKEY",
        "AUTHORIZATION",
        "AUTHTOKEN",
        "BEARER",
        "COOKIE",
        "PASSPHRASE",
        "PASSWORD",
        "PASSWD",
        "PWD",
        "SECRETS",
    }
)
_SUSPICIOUS: Final = """
ACCESS AUTH CERT CREDENTIAL CREDENTIALS HEADER HEADERS KEY KEYS LICENSE PASS PRIVATE
SECRET SESSION SIGNATURE TOKEN TOKENS WEBHOOK
"""
_SUSPICIOUS_WORDS: Final = frozenset(_SUSPICIOUS.split())
# Shorter texts are words and identifiers as often as keys.
_ENTROPY_MIN_LENGTH = 20
# Bits a character: English words stand near 3, random base64 above 4.
_ENTROPY_MIN_BITS = 3.5


def redact_document(document: Any) -> tuple[Any, tuple[Redaction, ...]]:
    """Return a copy of a JSON value without its secrets, and what was removed.

    Keys of `extensionPolicy.perExtension` are names of extensions, and lists
    under `secretBroker` hold names of variables: neither makes its content a
    secret.
    """
    redactor = _Redactor()
    return redactor.redact(document, "$", name=""), tuple(redactor.redactions)


class _Redactor:
    """Walks one document; holds what was removed so far."""

    def __init__(self) -> None:
        self.redactions: list[Redaction] = []

    def redact(self, value: Any, path: str, *, name: str) -> Any:
        """Return a value with its secrets replaced, however deep; note where."""
        if isinstance(value, Mapping):
            return self._redact_object(value, path, name=name)
        if isinstance(value, list):
            return self._redact_list(value, path, name=name)
        kind = _find_kind(value, name)
        return value if kind is None else self._replace(path, kind)

    def _replace(self, path: str, kind: RedactionKind) -> str:
        """Note a redaction; return what stands in the secret's place."""
        self.redactions.append(Redaction(path, kind))
        return PLACEHOLDER

    def _redact_object(
        self, value: Mapping[str, Any], path: str, *, name: str
    ) -> dict[str, Any]:
        """Return an object redacted, also below names that are secret."""
        result: dict[str, Any] = {}
        for key, child in value.items():
            kept = self._keep_or_rename(key, value, result, path)
            # Below a secret name, every text is its secret, whatever it is called.
            inherited = name if is_secret_member(name) else _child_name(path, key)
            child_at = child_path(path, kept)
            result[kept] = self.redact(child, child_at, name=inherited)
        return result

    def _keep_or_rename(
        self,
        key: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        path: str,
    ) -> str:
        """Return a member's name, or one that is free where it is a secret itself."""
        if find_text_kind(key) is None:
            return key
        numbered = (f"{PLACEHOLDER}-{number}" for number in count(1))
        renamed = next(n for n in numbered if n not in before and n not in after)
        self.redactions.append(
            Redaction(child_path(path, renamed), RedactionKind.MEMBER_NAME)
        )
        return renamed

    def _redact_list(self, value: list[Any], path: str, *, name: str) -> list[Any]:
        """Return a list redacted, also values that follow a secret option."""
        result = []
        option = ""
        for index, child in enumerate(value):
            at = f"{path}[{index}]"
            result.append(self.redact(child, at, name=option or name))
            # "--api-key" is followed by its value, as in a command line.
            is_option = isinstance(child, str) and _OPTION.fullmatch(child)
            option = child if is_option and is_secret_member(child) else ""
        return result


def is_secret_member(name: str) -> bool:
    """Return whether a member's name says that its value is a secret."""
    words = _words(name)
    if not words:
        return False
    joined = "_".join(words)
    return (
        not _SECRET_WORDS.isdisjoint(words)
        or is_listed_name(joined)
        or is_listed_name(f"X_{joined}")
    )


_BROKER_PATH: Final = "$.extensionPolicy.secretBroker"
_EXTENSIONS_PATH: Final = "$.extensionPolicy.perExtension"


def _child_name(path: str, key: str) -> str:
    """Return the name to judge a member by; empty where names say nothing."""
    return "" if path in (_BROKER_PATH, _EXTENSIONS_PATH) else key


def _find_kind(value: Any, name: str) -> RedactionKind | None:
    """Return why a leaf is a secret; None where it is none.

    An empty text, a boolean and null give nothing away.
    """
    if value in ("", PLACEHOLDER) or value is None or isinstance(value, bool):
        return None
    if is_secret_member(name):
        return RedactionKind.SECRET_NAME
    if not isinstance(value, str):
        return None
    kind = find_text_kind(value)
    if kind is None and _is_suspicious(name) and _is_random(value):
        return RedactionKind.HIGH_ENTROPY
    return kind


def find_text_kind(text: str) -> RedactionKind | None:
    """Return why a text is a secret by its own look; None where it shows no sign."""
    if _PRIVATE_KEY.search(text):
        return RedactionKind.PRIVATE_KEY
    if _TOKEN.search(text):
        return RedactionKind.TOKEN
    if _URL_PASSWORD.search(text) or _BEARER.search(text):
        return RedactionKind.CREDENTIAL_IN_TEXT
    if any(is_secret_member(match[1]) for match in _ASSIGNMENT.finditer(text)):
        return RedactionKind.CREDENTIAL_IN_TEXT
    return None


def _is_suspicious(name: str) -> bool:
    """Return whether a name has a word that names of secrets have."""
    return not _SUSPICIOUS_WORDS.isdisjoint(_words(name))


def _is_random(text: str) -> bool:
    """Return whether a text has the entropy of a key."""
    if len(text) < _ENTROPY_MIN_LENGTH or any(char.isspace() for char in text):
        return False
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) >= _ENTROPY_MIN_BITS


def _words(name: str) -> list[str]:
    """Return the words of a name in capitals."""
    return [word.upper() for word in _WORD_BREAK.split(name) if word]

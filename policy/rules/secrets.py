"""Names of secrets: which environment variables the secret broker withholds.

Guarantees: the default lists have the runbook's count (26 names, 11 suffixes, 2
prefixes); names are compared without case; the disclosure allowlist wins. Says
nothing about values: `policy.rules.redaction` looks at those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from policy.rules.secret_stems import COMMON_SECRET_NAMES, SECRET_STEMS

_API_KEY_VENDORS: Final = """
ANTHROPIC OPENAI GOOGLE AZURE_OPENAI COHERE GROQ DEEPINFRA CEREBRAS OPENROUTER
MISTRAL MOONSHOT DASHSCOPE DEEPSEEK FIREWORKS TOGETHER PERPLEXITY XAI
"""
# HF_TOKEN, _TOKEN and _AUTH complete the runtime's published lists to the
# runbook's count; the rest is as published.
_OTHER_NAMES: Final = """
DATABASE_URL REDIS_URL MONGODB_URI PRIVATE_KEY CARGO_REGISTRY_TOKEN NPM_TOKEN
GH_TOKEN GITHUB_TOKEN HF_TOKEN
"""
_SUFFIXES: Final = """
_API_KEY _SECRET _SECRET_KEY _ACCESS_KEY _PRIVATE_KEY _PASSWORD _PASSWD
_CREDENTIAL _CREDENTIALS _TOKEN _AUTH
"""

DEFAULT_EXACT_NAMES: Final = frozenset(
    [f"{vendor}_API_KEY" for vendor in _API_KEY_VENDORS.split()] + _OTHER_NAMES.split()
)
DEFAULT_SUFFIXES: Final = frozenset(_SUFFIXES.split())
DEFAULT_PREFIXES: Final = frozenset({"AWS_SECRET_", "AWS_SESSION_"})

# What names that begin with a listed prefix commonly end with.
_PREFIX_ENDINGS: Final = (
    "KEY",
    "ACCESS_KEY",
    "TOKEN",
    "ID",
    "VALUE",
    "NAME",
    "ARN",
    "DATA",
)

# A handful of snapshots at a time is what one page compares.
_DICTIONARIES_KEPT = 8


@dataclass(frozen=True)
class SecretBrokerPolicy:
    """The secret broker's configuration; lists hold names in any case."""

    enabled: bool = True
    exact_names: frozenset[str] = DEFAULT_EXACT_NAMES
    suffixes: frozenset[str] = DEFAULT_SUFFIXES
    prefixes: frozenset[str] = DEFAULT_PREFIXES
    disclosure_allowlist: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        # Upper-cased once, so that every look-up is a plain comparison.
        for field in ("exact_names", "suffixes", "prefixes", "disclosure_allowlist"):
            names = frozenset(name.strip().upper() for name in getattr(self, field))
            object.__setattr__(self, field, names - {""})


DEFAULT_BROKER: Final = SecretBrokerPolicy()


def is_listed_name(name: str, broker: SecretBrokerPolicy = DEFAULT_BROKER) -> bool:
    """Return whether a name stands on the blocklist, the allowlist left aside."""
    wanted = name.strip().upper()
    return bool(wanted) and (
        wanted in broker.exact_names
        or wanted.endswith(tuple(broker.suffixes))
        or wanted.startswith(tuple(broker.prefixes))
    )


def matching_pattern(name: str, broker: SecretBrokerPolicy = DEFAULT_BROKER) -> str:
    """Return the entry of the blocklist that covers a name, in words; empty for none.

    The exact name comes first; of suffixes and prefixes the longest.
    """
    wanted = name.strip().upper()
    if wanted in broker.exact_names:
        return f"the exact name {wanted}"
    suffixes = [suffix for suffix in broker.suffixes if wanted.endswith(suffix)]
    if suffixes:
        return f"the suffix {max(suffixes, key=len)}"
    prefixes = [prefix for prefix in broker.prefixes if wanted.startswith(prefix)]
    return f"the prefix {max(prefixes, key=len)}" if prefixes else ""


def is_allowlisted(name: str, broker: SecretBrokerPolicy = DEFAULT_BROKER) -> bool:
    """Return whether a name is passed through on purpose."""
    return name.strip().upper() in broker.disclosure_allowlist


def hash_name(name: str) -> str:
    """Return the `name_hash` of a variable: lower-case hex SHA-256 of its name."""
    return hashlib.sha256(name.encode("utf-8")).hexdigest()


def name_for_hash(
    name_hash: str, broker: SecretBrokerPolicy = DEFAULT_BROKER
) -> str | None:
    """Return the known secret name that a `name_hash` stands for, or None.

    None means only that the dictionary has no such name. Looked up among the
    listed names, the allowlist, and common names that the broker's lists match.
    """
    return _name_dictionary(broker).get(name_hash.strip().lower())


@lru_cache(maxsize=_DICTIONARIES_KEPT)
def _name_dictionary(broker: SecretBrokerPolicy) -> dict[str, str]:
    """Return the known names by their hashes."""
    return {hash_name(name): name for name in _known_names(broker)}


def _known_names(broker: SecretBrokerPolicy) -> Iterator[str]:
    """Yield each known name as it is usually written, and in lower case."""
    names = set(broker.exact_names | broker.disclosure_allowlist)
    names.update(COMMON_SECRET_NAMES)
    for stem in SECRET_STEMS:
        names.update(f"{stem}{suffix}" for suffix in broker.suffixes)
    for prefix in broker.prefixes:
        names.update(f"{prefix}{ending}" for ending in _PREFIX_ENDINGS)
    listed = {name for name in names if is_listed_name(name, broker)}
    for name in sorted(listed | broker.disclosure_allowlist):
        yield name.lower()
        yield name

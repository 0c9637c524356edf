"""Capabilities, and the one that a hostcall needs.

Guarantees: the capability is derived from the call's method and parameters and
never from what the caller declares. Names are compared without case and without
the white space around them, as the runtime compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final


class Capability(StrEnum):
    """What an extension may be allowed to do."""

    READ = "read"
    WRITE = "write"
    HTTP = "http"
    EVENTS = "events"
    SESSION = "session"
    UI = "ui"
    EXEC = "exec"
    ENV = "env"
    TOOL = "tool"
    LOG = "log"


DANGEROUS_CAPABILITIES: Final = frozenset({Capability.EXEC, Capability.ENV})

FS_OPERATIONS: Final[Mapping[str, Capability]] = MappingProxyType(
    {
        "read": Capability.READ,
        "list": Capability.READ,
        "readdir": Capability.READ,
        "stat": Capability.READ,
        "write": Capability.WRITE,
        "mkdir": Capability.WRITE,
        "delete": Capability.WRITE,
        "remove": Capability.WRITE,
        "rm": Capability.WRITE,
    }
)

BUILT_IN_TOOLS: Final[Mapping[str, Capability]] = MappingProxyType(
    {
        "read": Capability.READ,
        "grep": Capability.READ,
        "find": Capability.READ,
        "ls": Capability.READ,
        "write": Capability.WRITE,
        "edit": Capability.WRITE,
        "bash": Capability.EXEC,
    }
)

DIRECT_METHODS: Final[Mapping[str, Capability]] = MappingProxyType(
    {
        capability.value: capability
        for capability in (
            Capability.EXEC,
            Capability.ENV,
            Capability.HTTP,
            Capability.SESSION,
            Capability.UI,
            Capability.EVENTS,
            Capability.LOG,
        )
    }
)


def normalise_name(name: str) -> str:
    """Return a capability, method or tool name in the form it is compared in."""
    return ascii_lower(name.strip())


def ascii_lower(text: str) -> str:
    """Lower only A to Z: the runtime's comparison knows no other case pairs."""
    return "".join(char.lower() if char.isascii() else char for char in text)


def find_capability(name: str) -> Capability | None:
    """Return the capability of that name, or None where there is none."""
    try:
        return Capability(normalise_name(name))
    except ValueError:
        return None


def is_dangerous(name: str) -> bool:
    """Return whether a capability is one of the dangerous ones."""
    return find_capability(name) in DANGEROUS_CAPABILITIES


def required_capability_for_host_call_static(
    method: str, params: Mapping[str, Any]
) -> Capability | None:
    """Return the capability that a hostcall needs; None means the call is invalid.

    `params["op"]` is read for `fs`, `params["name"]` for `tool`; without a text
    there, both are invalid calls.
    """
    wanted = normalise_name(method)
    if wanted == "fs":
        return FS_OPERATIONS.get(_text_parameter(params, "op"))
    if wanted == "tool":
        tool = _text_parameter(params, "name")
        return BUILT_IN_TOOLS.get(tool, Capability.TOOL) if tool else None
    return DIRECT_METHODS.get(wanted)


def capabilities_of_method(method: str) -> frozenset[Capability]:
    """Return the capabilities that a call of this method can need; none: it is invalid.

    Which of them it is, only the parameters say: the record has their fingerprint.
    """
    wanted = normalise_name(method)
    if wanted == "fs":
        return frozenset(FS_OPERATIONS.values())
    if wanted == "tool":
        return frozenset({*BUILT_IN_TOOLS.values(), Capability.TOOL})
    direct = DIRECT_METHODS.get(wanted)
    return frozenset() if direct is None else frozenset({direct})


def _text_parameter(params: Mapping[str, Any], name: str) -> str:
    """Return a parameter in normal form; empty where it is no text."""
    value = params.get(name)
    return normalise_name(value) if isinstance(value, str) else ""

"""The capability of a hostcall is derived from method and parameters."""

import pytest

from policy.rules.capabilities import (
    DANGEROUS_CAPABILITIES,
    Capability,
    find_capability,
    is_dangerous,
    required_capability_for_host_call_static,
)

TABLE = [
    *[("fs", {"op": op}, "read") for op in ("read", "list", "readdir", "stat")],
    *[("fs", {"op": op}, "write") for op in ("write", "mkdir")],
    *[("fs", {"op": op}, "write") for op in ("delete", "remove", "rm")],
    *[("tool", {"name": n}, "read") for n in ("read", "grep", "find", "ls")],
    *[("tool", {"name": n}, "write") for n in ("write", "edit")],
    ("tool", {"name": "bash"}, "exec"),
    *[("tool", {"name": n}, "tool") for n in ("weather", "exec", "env", "rm")],
    *[(m, {}, m) for m in ("exec", "env", "http", "session", "ui", "events", "log")],
]

INVALID = [
    ("", {}),
    ("fs", {}),
    ("fs", {"op": ""}),
    ("fs", {"op": "chmod"}),
    ("fs", {"op": None}),
    ("fs", {"op": ["read"]}),
    ("fs", {"name": "read"}),
    ("tool", {}),
    ("tool", {"name": "  "}),
    ("tool", {"name": 7}),
    ("read", {}),
    ("write", {}),
    ("tools", {}),
    ("exec2", {}),
]


def test_capabilities_are_the_runtimes_ten():
    assert " ".join(Capability) == "read write http events session ui exec env tool log"
    assert {"exec", "env"} == DANGEROUS_CAPABILITIES


@pytest.mark.parametrize(("method", "params", "needed"), TABLE)
def test_hostcall_needs_the_capability_of_the_table(method, params, needed):
    assert required_capability_for_host_call_static(method, params) == needed


@pytest.mark.parametrize(("method", "params", "needed"), TABLE)
def test_case_and_white_space_do_not_change_the_capability(method, params, needed):
    shouted = {key: f" {value.upper()}\t" for key, value in params.items()}
    assert (
        required_capability_for_host_call_static(f" {method.title()} ", shouted)
        == needed
    )


@pytest.mark.parametrize(("method", "params"), INVALID)
def test_any_other_hostcall_is_invalid(method, params):
    assert required_capability_for_host_call_static(method, params) is None


def test_declared_capability_is_never_believed():
    params = {"name": "bash", "capability": "log"}
    assert required_capability_for_host_call_static("tool", params) is Capability.EXEC


def test_only_ascii_letters_are_compared_without_case():
    # The Kelvin sign lowers to an ASCII k, which must not make it one.
    kelvin = "m\N{KELVIN SIGN}dir"
    assert kelvin.lower() == "mkdir"
    assert required_capability_for_host_call_static("fs", {"op": kelvin}) is None
    assert find_capability("LOG") is Capability.LOG


def test_dangerous_is_asked_without_case():
    assert is_dangerous(" EXEC ")
    assert not is_dangerous("write")
    assert not is_dangerous("")

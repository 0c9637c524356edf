"""Which modules are forbidden, flagged or safe."""

from __future__ import annotations

import re

FORBIDDEN_MODULES = frozenset(
    [
        "vm",
        "worker_threads",
        "cluster",
        "dgram",
        "net",
        "tls",
        "inspector",
        "perf_hooks",
        "v8",
        "repl",
    ]
) | {"child_process"}
# Built-ins that the runtime rewrites to shims of its own (docs/scanner.md).
COVERED_BUILTINS = frozenset(
    [
        "assert",
        "buffer",
        "console",
        "constants",
        "crypto",
        "events",
        "fs",
        "http",
        "https",
        "os",
        "path",
        "process",
        "punycode",
        "querystring",
        "stream",
        "string_decoder",
        "timers",
        "url",
        "util",
    ]
)
# Parts of built-ins that have a name of their own: these are all of tls.
_PARTS = {"_tls_common": "tls", "_tls_wrap": "tls"}
UNCOVERED_BUILTINS = frozenset(
    [
        "_http_agent",
        "_http_client",
        "_http_common",
        "_http_incoming",
        "_http_outgoing",
        "_http_server",
        "_stream_duplex",
        "_stream_passthrough",
        "_stream_readable",
        "_stream_transform",
        "_stream_wrap",
        "_stream_writable",
        "async_hooks",
        "diagnostics_channel",
        "dns",
        "domain",
        "http2",
        "module",
        "readline",
        "sea",
        "sqlite",
        "sys",
        "test",
        "trace_events",
        "tty",
        "wasi",
        "zlib",
    ]
)
# Names that nothing but the module has: telling even as a bare string.
TELLING_NAMES = frozenset(("child_process", "worker_threads", "perf_hooks", "dgram"))
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


# An import is a URL: its scheme in any case, blanks and control characters around
# it, tabs and line ends inside of it are all the same to the runtime.
_AROUND_URL = "".join(map(chr, range(0x21)))
_IN_URL = str.maketrans("", "", "\t\r\n")


def _plain(specifier: str) -> str:
    """Return a specifier as the runtime reads it where it is a URL."""
    cleaned = specifier.strip(_AROUND_URL).translate(_IN_URL)
    found = _SCHEME.match(cleaned)
    if found is None:
        return specifier.strip()
    return found[0].lower() + cleaned[found.end() :]


def builtin_name(specifier: str) -> str | None:
    """Return the built-in that a specifier means, without `node:` and sub-path."""
    plain = _plain(specifier)
    name = plain.removeprefix("node:").partition("/")[0]
    name = _PARTS.get(name, name)
    known = FORBIDDEN_MODULES | COVERED_BUILTINS | UNCOVERED_BUILTINS
    if name in known or plain.startswith("node:"):
        return name
    return None


def is_native_addon(specifier: str) -> bool:
    """Return whether a specifier names compiled code."""
    return specifier.lower().rstrip().endswith(".node")


def is_outside(specifier: str) -> bool:
    """Return whether a specifier is a file by its whole path, wherever that is."""
    path = _plain(specifier).removeprefix("file:")
    return path.startswith(("/", "\\\\")) or _DRIVE.match(path) is not None


def scheme_of(specifier: str) -> str | None:
    """Return `data`, `http` … for a URL, or None."""
    found = _SCHEME.match(_plain(specifier))
    return found[0][:-1].lower() if found else None


def is_harmless_module(specifier: str) -> bool:
    """Return whether it is a file, a package or a built-in that a rewrite covers."""
    name = builtin_name(specifier)
    if is_native_addon(specifier) or scheme_of(specifier) not in (None, "node"):
        return False
    return name is None or name in COVERED_BUILTINS

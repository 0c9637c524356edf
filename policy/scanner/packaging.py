"""Which files of an archive are code, whatever they are called.

The runtime runs any file that it is pointed at: by package.json (main, exports,
imports, bin, scripts), or by an import of another file. A suffix says nothing of that.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policy.scanner.archive import SourceFile
from policy.scanner.limits import PACKAGING_SECONDS, Clock, OverTimeError
from policy.scanner.modules import FORBIDDEN_MODULES, builtin_name
from policy.scanner.report_entries import Classification

_ENTRY_MEMBERS = (
    *("main", "module", "browser", "exports", "imports", "bin"),
    # Of bundlers, of the extension runtime, and of registries that serve browsers.
    *("jsnext:main", "es2015", "esnext", "pi", "unpkg", "jsdelivr", "react-native"),
)
# What npm runs by itself when a package is installed.
INSTALL_SCRIPTS = ("preinstall", "install", "postinstall")
# What it runs where a package is installed from its folder or its repository.
_PREPARING = ("preprepare", "prepare", "postprepare", "prepublish", "dependencies")
_GAP = rb"(?:\s|/\*[^*]{0,200}\*/)*"
# require(path.join(__dirname, 'x')), import(new URL('./x', …)), require.resolve('./x'):
# what stands inside of a load, and no text beside one.
_LOADED = re.compile(
    rb"(?:\brequire(?:\.resolve)?%b\(|\bimport%b\(|\bfrom|\bimport|\bWorker%b\(|\bfork%b\()%b"
    rb"(?:new\s+URL%b\(%b|(?:\w+\.)?(?:join|resolve)%b\(%b)?"
    rb"(?:(__dirname)%b[,+]%b)?"
    rb"['\"`](\.{0,2}/?[^'\"`\n]{1,300})['\"`]".replace(b"%b", _GAP)
)
# Each word of a script that names a file, be it run by node or by a shell.
_WORD = re.compile(r"""[^\s"'=;&|()<>]+|"[^"]*"|'[^']*'""")
# With one of these in a command, a name says nothing of what is in a file.
_RUNNER = re.compile(
    r"\b(?:node\w*|tsx|ts-node|bun|deno)\b|\s-r\s|--(?:require|import)\b"
)
_OTHER_CODE = (".sh", ".bash", ".py", ".ps1", ".bat", ".cmd", ".yml", ".yaml", ".toml")
_NODE = re.compile(r"\bnode\s")
_INLINE = re.compile(
    r"""(?:\s-[pe]{1,2}|--eval|--print)[\s=]++"""
    r"""(?:"((?:\\.|[^"\\])*)"|'([^']*)'|([^\s"'][^\s;&|]*))""",
    re.S,
)
_TRIED_SUFFIXES = (
    *("", ".js", ".json", ".node", ".mjs", ".cjs"),
    *("/index.js", "/index.json", "/index.node"),
)
_NEVER_CODE = (".json", ".node", ".wasm")
# What a pattern of names takes along with code.
_BESIDE_CODE = (*_NEVER_CODE, ".map", ".md", ".css", ".html", ".txt", ".d.ts")
MAX_MANIFEST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class InstallScript:
    """A command that runs at installation, and the code that it carries."""

    file: str
    name: str
    command: str
    code: str = ""


Note = tuple[str, Classification, str]


@dataclass
class Packaging:
    """What an archive's manifests and imports say about its files."""

    code_paths: set[str] = field(default_factory=set)
    scripts: list[InstallScript] = field(default_factory=list)
    # By file: a rule, a word and a reason each.
    notes: dict[str, list[Note]] = field(default_factory=dict)


def read_packaging(files: Iterable[SourceFile]) -> Packaging:
    """Return the files that are run, and the commands of installation."""
    by_path = {file.path: file for file in files}
    try:
        found = _read(by_path, Clock(PACKAGING_SECONDS))
    except OverTimeError:
        # Then any may be run, and each is read as code.
        scripts = [s for path in by_path for s in _scripts_of(by_path[path])]
        found = Packaging(set(by_path), scripts)
    for path, file in by_path.items():
        notes = list(_notes(file))
        if notes:
            found.notes[path] = notes
    return found


def loaded_files(
    path: str, names: Iterable[str], files: Container[str]
) -> Iterator[str]:
    """Yield the files that a file loads, by the names that it gives them."""
    folder = posixpath.dirname(path)
    for name in names:
        for file in _resolve(folder, name, files):
            if not file.endswith(_NEVER_CODE):
                yield file


def _notes(file: SourceFile) -> Iterator[Note]:
    """Yield what a manifest, or npm's settings, do to what is loaded and run."""
    name = posixpath.basename(file.path)
    if name == ".npmrc" and _RUNS_OTHER.search(file.data):
        yield "runtime-options", Classification.FLAGGED, _OTHER_OPTIONS
    if name != "package.json":
        return
    if len(file.data) > MAX_MANIFEST_BYTES or _document(file) is _UNREAD:
        yield "not-fully-analysed", Classification.FLAGGED, _NOT_READ
    manifest = _manifest(file)
    for member in ("imports", "browser"):
        for target in _leaves(manifest.get(member)):
            if builtin_name(target) in FORBIDDEN_MODULES:
                why = f"A name of {member} stands for the forbidden module {target}."
                yield "forbidden-module", Classification.FORBIDDEN, why
            elif member == "imports" and "*" in target and target[0] != ".":
                yield "dynamic-module", Classification.FLAGGED, _ANY_MODULE
    for member in ("dependencies", "optionalDependencies"):
        if any(map(_FROM_ELSEWHERE.match, _leaves(manifest.get(member)))):
            yield "remote-module", Classification.FLAGGED, _ELSEWHERE


_RUNS_OTHER = re.compile(rb"^\s*(?:node-options|script-shell)\s*=", re.M)
_OTHER_OPTIONS = "npm runs every script with other options, or by another shell."
_NOT_READ = "The manifest is too large or too deep to be read, but npm reads it."
_ANY_MODULE = "A name of imports stands for whatever module is asked for."
_FROM_ELSEWHERE = re.compile(r"(?:https?:|git[+:@]|github:|gitlab:|bitbucket:|gist:)")
_ELSEWHERE = "A package that it depends on comes from no registry."


def _scripts_of(file: SourceFile) -> list[InstallScript]:
    """Return what an installation runs, where the file is a package's manifest."""
    if posixpath.basename(file.path) != "package.json":
        return []
    return list(_scripts(file.path, _manifest(file)))


def _read(by_path: Mapping[str, SourceFile], clock: Clock) -> Packaging:
    """Return what is known of a source; raise OverTimeError where it takes too long."""
    found = Packaging()
    pending: list[str] = []
    for path, file in by_path.items():
        if posixpath.basename(path) == "package.json":
            manifest = _manifest(file)
            pending += _entries(path, manifest, by_path, clock)
            found.scripts += _scripts(path, manifest)
            found.scripts += _built(path, manifest, by_path)
    pending += [path for path in by_path if path.endswith(_CODE_SUFFIXES)]
    while pending:
        path = pending.pop()
        if path in found.code_paths or path.endswith(_NEVER_CODE):
            continue
        found.code_paths.add(path)
        pending += _loaded(path, by_path, clock)
    return found


_CODE_SUFFIXES = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")


def _manifest(file: SourceFile) -> Mapping[str, Any]:
    """Return a package's manifest; empty where it is no object, or too large."""
    if len(file.data) > MAX_MANIFEST_BYTES:
        return {}
    document = _document(file)
    return document if isinstance(document, dict) else {}


_UNREAD = object()


def _document(file: SourceFile) -> Any:
    """Return what a manifest holds, as npm reads it; _UNREAD where it is too deep."""
    text = file.data.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        # Python refuses numbers of many digits; nobody asks for one here.
        return json.loads(text, parse_int=float)
    except RecursionError:
        return _UNREAD
    except ValueError:
        return None


def _entries(
    manifest_path: str,
    manifest: Mapping[str, Any],
    files: Mapping[str, SourceFile],
    clock: Clock,
) -> Iterator[str]:
    """Yield the files that a manifest names as entries or runs by its scripts."""
    folder = posixpath.dirname(manifest_path)
    named = [leaf for name in _ENTRY_MEMBERS for leaf in _leaves(manifest.get(name))]
    scripts = manifest.get("scripts")
    for command in _leaves(scripts if isinstance(scripts, dict) else None):
        named += _named_by(command)
    named += _linked(folder, manifest, files)
    for name in dict.fromkeys([*named, "index"]):
        clock.check()
        yield from _resolve(folder, name, files)


def _named_by(command: str) -> Iterator[str]:
    """Yield the words of a script that may be files which it runs as JavaScript."""
    runs_any = _RUNNER.search(command) is not None
    for word in _words(command):
        if runs_any or not word.lower().endswith((*_BESIDE_CODE, *_OTHER_CODE)):
            yield word


def _words(command: str) -> Iterator[str]:
    """Yield the words of a command; those in quotes as a whole, and one by one."""
    for word in _WORD.findall(command):
        bare = word.strip("\"'")
        yield bare
        yield from bare.split() if bare != word else ()


def _linked(
    folder: str, manifest: Mapping[str, Any], files: Mapping[str, SourceFile]
) -> Iterator[str]:
    """Yield the files of the folder whose every file becomes a command."""
    directories = manifest.get("directories")
    named = directories.get("bin") if isinstance(directories, dict) else None
    if isinstance(named, str):
        inside = posixpath.normpath(posixpath.join(folder, named)) + "/"
        yield from (
            posixpath.relpath(p, folder or ".") for p in files if p.startswith(inside)
        )


def _leaves(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield every text in a value of a manifest."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and depth < 20:
        for inner in value.values():
            yield from _leaves(inner, depth + 1)
    elif isinstance(value, list) and depth < 20:
        for inner in value:
            yield from _leaves(inner, depth + 1)


def _resolve(folder: str, name: str, files: Container[str]) -> Iterator[str]:
    """Yield the file that a path means, as the runtime looks for it."""
    path = posixpath.normpath(posixpath.join(folder, name))
    if "*" in path and isinstance(files, Mapping):
        head, _, tail = path.partition("*")
        yield from (
            p
            for p in files
            if p.startswith(head)
            and p.endswith(tail)
            and (tail or not p.lower().endswith(_BESIDE_CODE))
        )
        return
    for suffix in _TRIED_SUFFIXES:
        if path + suffix in files:
            yield path + suffix
            return


def _loaded(path: str, files: Mapping[str, SourceFile], clock: Clock) -> Iterator[str]:
    """Yield the files that a file's imports and requires name."""
    folder = posixpath.dirname(path)
    for match in _LOADED.finditer(files[path].data):
        name = match[2].decode("utf-8", "replace")
        clock.check()
        if match[1] is not None:
            name = f"./{name.lstrip('/')}"
        elif not name.startswith(("./", "../")) and name not in (".", ".."):
            continue
        yield from _resolve(folder, name, files)


def _built(
    path: str, manifest: Mapping[str, Any], files: Mapping[str, SourceFile]
) -> Iterator[InstallScript]:
    """Yield the build that npm runs for a binding.gyp beside a manifest."""
    gyp = posixpath.join(posixpath.dirname(path), "binding.gyp")
    scripts = manifest.get("scripts")
    own = scripts if isinstance(scripts, dict) else {}
    if gyp in files and not {"install", "preinstall"} & set(own):
        yield InstallScript(gyp, "install", "node-gyp rebuild")


def _scripts(path: str, manifest: Mapping[str, Any]) -> Iterator[InstallScript]:
    """Yield the scripts that an installation runs, with their inline code."""
    scripts = manifest.get("scripts")
    for name in (*INSTALL_SCRIPTS, *_PREPARING):
        command = scripts.get(name) if isinstance(scripts, dict) else None
        if isinstance(command, str) and command.strip():
            node = _NODE.search(command)
            inline = _INLINE.finditer(command, node.end() - 1) if node else ()
            pieces = [one[1] or one[2] or one[3] or "" for one in inline]
            code = ";\n".join(pieces).replace('\\"', '"')
            if code or name in INSTALL_SCRIPTS:
                yield InstallScript(path, name, command, code)

"""Scan a source: unpack it, and read each file as what the runtime takes it for."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import replace
from typing import Protocol

from tree_sitter import Node

from policy.scanner.archive import ArchiveLimits, SourceFile, unpack_source
from policy.scanner.collecting import rare_collection
from policy.scanner.detection import MAX_ENTRIES, detect
from policy.scanner.errors import SourceRefusedError
from policy.scanner.families import DIRECT, FAMILIES
from policy.scanner.folding import Budget
from policy.scanner.limits import ARCHIVE_SECONDS, Clock, OverTimeError
from policy.scanner.line_scanner import LineFinding, scan_lines
from policy.scanner.packaging import (
    INSTALL_SCRIPTS,
    Packaging,
    loaded_files,
    read_packaging,
)
from policy.scanner.parsing.syntax import MAX_FILE_BYTES, language_of, parse, to_utf8
from policy.scanner.report import FileReport, SourceReport, make_note, make_report
from policy.scanner.report_entries import Classification, Entry
from policy.scanner.stack import on_own_stack

MAX_UNREACHED_BYTES = 512 * 1024
_CODE_WORDS = re.compile(
    rb"\b(?:require|import|eval|Function|process)\b[^\n]{0,80}[(.]"
)
_BINARY_SUFFIXES = (".node", ".wasm", ".so", ".dll", ".dylib", ".exe")
_ADDON = re.compile(r"""\(\s*['"](\.{1,2}/[^'"]+\.node)['"]\s*\)$""")
_TYPE_IMPORT = re.compile(
    rb"((?:[:<|&,]|=>|\btypeof|\bextends)\s*)import\(\s*(?:\"[^\"\n]*\"|'[^'\n]*')\s*\)"
)
_DECLARATIONS = (".d.ts", ".d.mts", ".d.cts")


class ScanOne(Protocol):
    """What scans one file: `scan_file`, or something that does it elsewhere."""

    def __call__(self, file: SourceFile, *, is_run: bool) -> FileReport: ...


@on_own_stack
def scan_source(
    data: bytes,
    name: str,
    limits: ArchiveLimits | None = None,
    scan_one: ScanOne | None = None,
) -> SourceReport:
    """Scan a file or an archive; what cannot be unpacked is reported as refused.

    `scan_one` scans each file, `scan_file` by default: hostile input is best read in a
    process of its own.
    """
    try:
        files = unpack_source(data, name, limits)
    except SourceRefusedError as error:
        return SourceReport(name, refused=error)
    reports = _scan_files(files, scan_one or scan_file)
    if not any(
        _was_read(file, report) for file, report in zip(files, reports, strict=True)
    ):
        return SourceReport(name, reports, refused=_nothing_read())
    return SourceReport(name, reports)


def _scan_files(files: list[SourceFile], scan_one: ScanOne) -> tuple[FileReport, ...]:
    """Scan each file, until the archive has had its time; the rest is flagged."""
    clock = Clock(ARCHIVE_SECONDS)
    reports: list[FileReport] = []
    packaging = read_packaging(files)
    scripts = {script.file for script in packaging.scripts}
    paths = {file.path for file in files}
    for file in files:
        if clock.is_over():
            reports.append(leave_out(file))
        else:
            is_run = len(files) == 1 or file.path in packaging.code_paths
            reports.append(scan_one(file, is_run=is_run))
    _read_what_is_loaded(files, reports, packaging, scan_one, clock)
    for index, file in enumerate(files):
        reports[index] = _without_addons(file, reports[index], paths)
        if file.path in packaging.notes or file.path in scripts:
            noted = _with_scripts(file, reports[index], packaging, scan_one)
            reports[index] = noted
    return tuple(reports)


def _read_what_is_loaded(
    files: list[SourceFile],
    reports: list[FileReport],
    packaging: Packaging,
    scan_one: ScanOne,
    clock: Clock,
) -> None:
    """Read as code what others load by names that only their scan made out."""
    places = {file.path: index for index, file in enumerate(files)}
    pending = list(range(len(files)))
    while pending and not clock.is_over():
        index = pending.pop()
        for path in loaded_files(files[index].path, reports[index].loads, places):
            if path not in packaging.code_paths:
                packaging.code_paths.add(path)
                reports[places[path]] = scan_one(files[places[path]], is_run=True)
                pending.append(places[path])


def _without_addons(
    file: SourceFile, report: FileReport, paths: set[str]
) -> FileReport:
    """Take back `require('./server.node')` where that is server.node.js beside it."""
    folder = posixpath.dirname(file.path)

    def is_script(entry: Entry) -> bool:
        named = _ADDON.search(entry.excerpt)
        if entry.rule != "native-addon" or named is None:
            return False
        path = posixpath.normpath(posixpath.join(folder, named[1]))
        return path not in paths and f"{path}.js" in paths

    entries = [entry for entry in report.entries if not is_script(entry)]
    if len(entries) == len(report.entries):
        return report
    return make_report(
        file,
        report.language,
        entries,
        list(report.line_findings),
        is_complete=report.is_complete,
    )


def _with_scripts(
    file: SourceFile, report: FileReport, packaging: Packaging, scan_one: ScanOne
) -> FileReport:
    """Add the commands that run at installation, and what their code does."""
    entries = [*report.entries, *_noted(file, packaging)]
    for script in packaging.scripts:
        if script.file != file.path:
            continue
        why = f"runs at installation, as {script.name}"
        note = make_note(file, "install-script", why)
        position = file.data.find(f'"{script.name}"'.encode())
        line = file.data.count(b"\n", 0, max(position, 0)) + 1
        note = replace(
            note,
            line=line,
            end_line=line,
            excerpt=script.command[:160],
            why=f"This command {why}.",
        )
        if script.name in INSTALL_SCRIPTS:
            entries.append(note)
        inline = SourceFile(file.path, script.code.encode("utf-8", "replace"))
        if script.code:
            found = scan_one(inline, is_run=True).entries
            entries += [
                replace(entry, line=line, end_line=line, column=1) for entry in found
            ]
    return make_report(file, None, entries, [])


def _noted(file: SourceFile, packaging: Packaging) -> list[Entry]:
    """Return what a manifest or the settings beside it do to what is run."""
    return [
        replace(make_note(file, rule, ""), classification=word, why=why)
        for rule, word, why in packaging.notes.get(file.path, ())
    ]


def _was_read(file: SourceFile, report: FileReport) -> bool:
    """Return whether a report says anything of code: else nobody may call it safe.

    A text that only was tried as JavaScript, and in which nothing was found, may be
    anything: a log, a bundle of evidence, a poem.
    """
    if report.entries:
        return True
    is_code = language_of(file.path, to_utf8(file.data)) is not None
    return is_code and bool(file.data.strip())


def _nothing_read() -> SourceRefusedError:
    """Return the refusal of a source that holds no code."""
    return SourceRefusedError(
        "no_code",
        "The source holds no JavaScript or TypeScript, so nothing was scanned. "
        "Send the extension's source, with the names that its files have.",
    )


@on_own_stack
@rare_collection()
def scan_file(file: SourceFile, *, is_run: bool = False) -> FileReport:
    """Scan one file. What is run is read as JavaScript, whatever it is called."""
    data = to_utf8(file.data)
    language = language_of(file.path, data)
    if language is None and is_run and b"\x00" not in data and not file.is_archive:
        language = "javascript"
    if language is None:
        return _unreached(file, data) or _not_code(file)
    if len(data) > MAX_FILE_BYTES:
        return give_up(file, f"it is larger than {MAX_FILE_BYTES} bytes")
    clock = Clock()
    try:
        syntax = parse(data, language, clock)
        found = detect(syntax, file.path, budget=Budget(clock=clock))
    except OverTimeError:
        return give_up(file, "it takes too long to parse")
    entries = found.entries
    if file.path.lower().endswith(_DECLARATIONS):
        entries = _declared(_read_types(data, entries), syntax.root)
    if not found.is_complete:
        entries = [
            *entries,
            make_note(file, "not-fully-analysed", found.incomplete_because),
        ]
    return make_report(
        file,
        syntax.language,
        entries,
        scan_lines(data),
        is_complete=found.is_complete,
        loads=found.loads,
    )


def leave_out(file: SourceFile) -> FileReport:
    """Return the report of a file that an archive left no time for."""
    note = make_note(file, "not-analysed", "the archive took too long before it")
    return make_report(file, None, [note], [], is_complete=False)


def give_up(file: SourceFile, why: str) -> FileReport:
    """Return the report of a file that cannot be analysed within its limits.

    What reading it line by line finds, in as much of it as is read at all, is kept.
    """
    data = to_utf8(file.data[:MAX_FILE_BYTES])
    language = language_of(file.path, data) or "javascript"
    lines = scan_lines(data)[:MAX_ENTRIES]
    entries = [_of_line(file, line) for line in lines]
    note = make_note(file, "not-fully-analysed", why)
    return make_report(file, language, [note, *entries], lines, is_complete=False)


def _of_line(file: SourceFile, line: LineFinding) -> Entry:
    """Return what the line-based scanner found, as an entry."""
    family = FAMILIES[DIRECT]
    return Entry(
        file=file.path,
        line=line.line,
        column=1,
        rule=line.rule,
        classification=line.classification,
        excerpt=line.excerpt,
        why="Found by reading line by line: the file could not be analysed in full.",
        family=family.name,
        techniques=(),
        suggested_pattern=family.suggested_pattern,
        regression_test_idea=family.regression_test_idea,
        end_line=line.line,
    )


def _unreached(file: SourceFile, data: bytes) -> FileReport | None:
    """Name a file that nothing is known to run, but that is code with findings.

    Most files of other kinds are no JavaScript at all: one error of grammar is enough.
    """
    if len(data) > MAX_UNREACHED_BYTES or file.is_archive or b"\x00" in data:
        return None
    if not _CODE_WORDS.search(data) or _is_json(file, data):
        return None
    try:
        if parse(data, "javascript").root.has_error:
            return None
    except OverTimeError:
        return None
    report = scan_file(file, is_run=True)
    worse = [e for e in report.entries if e.classification is not Classification.SAFE]
    if not worse:
        return None
    note = make_note(file, "unreached-code", "code that nothing is seen to run")
    why = "This file is code that no import and no manifest is seen to run."
    return make_report(
        file,
        report.language,
        [replace(note, why=why), *worse],
        list(report.line_findings),
        is_complete=report.is_complete,
    )


def _is_json(file: SourceFile, data: bytes) -> bool:
    """Return whether a file is the data that its name says: no program is JSON."""
    if file.path.lower().endswith(".json"):
        return True
    if not data.lstrip().startswith((b"{", b"[")):
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _read_types(data: bytes, entries: list[Entry]) -> list[Entry]:
    """Take back errors of grammar that are its own: types of the form import("x").T.

    Only in a file of declarations in which nothing is called.
    """
    errors = [entry for entry in entries if entry.rule == "syntax-error"]
    if not errors:
        return entries
    plain = _TYPE_IMPORT.sub(lambda m: m[1] + b"T".ljust(len(m[0]) - len(m[1])), data)
    root = parse(plain, "typescript").root
    if root.has_error or _runs(root):
        return entries
    return [entry for entry in entries if entry.rule != "syntax-error"]


def _runs(root: Node) -> bool:
    """Return whether a file calls anything: what only declares does not.

    import("x") is a type there, and what is not read is flagged for itself.
    """
    pending = [root]
    while pending:
        node = pending.pop()
        callee = node.child_by_field_name("function")
        if callee is not None and callee.type != "import":
            return True
        if node.type == "new_expression":
            return True
        pending += node.named_children
    return False


def _declared(entries: list[Entry], root: Node) -> list[Entry]:
    """Take back imports of a file of declarations, which nothing runs.

    Only where the file has nothing but imports: one call makes it code like any other.
    """
    imports = ("forbidden-module", "uncovered-builtin", "covered-builtin")
    is_plain = all(entry.rule in imports and not entry.techniques for entry in entries)
    if not entries or not is_plain or _runs(root):
        return entries
    why = "An import in a file of declarations, which is erased before it runs."
    safe = Classification.SAFE
    return [replace(entry, classification=safe, why=why) for entry in entries]


def _not_code(file: SourceFile) -> FileReport:
    """Return the report of a file that is no text of a program."""
    entries: list[Entry] = []
    if file.is_archive:
        entries.append(
            make_note(file, "nested-archive", "an archive, which is not opened")
        )
    elif file.path.lower().endswith(_BINARY_SUFFIXES):
        entries.append(make_note(file, "compiled-code", "compiled code"))
    return make_report(file, None, entries, [])

"""Playbook documents: YAML text in, a checked and frozen value out.

Guarantees: a document that parses has every phase, item keys that are unique, and
only members of the schema; its content is self-contained, so that a case can keep
the version it was opened with; equal content has equal hashes however the YAML is
laid out. Not guaranteed: that what a playbook says is right. YAML 1.1 as PyYAML's
safe loader reads it, less duplicate keys and aliases; JSON Schema 2020-12.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from evidence.format import hash_value
from incidents.workflow.documents import UNSTORABLE, DocumentSchema, json_path
from incidents.workflow.errors import PlaybookError, Problem
from incidents.workflow.incident_states import ItemKind, RemediationKind, Severity
from incidents.workflow.phases import PHASE_ORDER, Phase
from incidents.workflow.playbook_schema import PLAYBOOK_SCHEMA

# The runbook's playbooks are about 10 kB each.
PLAYBOOK_MAX_CHARS = 512 * 1024
_SCHEMA = DocumentSchema(PLAYBOOK_SCHEMA)


@dataclass(frozen=True)
class Reference:
    """An invariant, objective or threat that the playbook leans on."""

    id: str
    text: str


@dataclass(frozen=True)
class PhaseTarget:
    """How long a phase may take: 0 is automatic, None is for the lead to set."""

    phase: Phase
    target_seconds: int | None
    counts_from: str
    actions: str


@dataclass(frozen=True)
class Expectation:
    """What an artifact, or a step of a report, must be to satisfy an item.

    Every member that is set must hold; see ``incidents.workflow.artifacts``.
    """

    evidence_kind: tuple[str, ...] = ()
    bundle_section: str | None = None
    policy_decision: str | None = None
    alert_category: str | None = None
    alert_of_extension: bool = False
    record: str | None = None
    chain_valid: bool | None = None
    verification_errors: bool | None = None
    report_step: str | None = None


@dataclass(frozen=True)
class RemediationChoice:
    """One remediation to decide on: chosen or not, and why."""

    key: str
    text: str
    action: RemediationKind
    condition: str = ""
    term: str | None = None
    required: bool = False
    sets_severity: Severity | None = None
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlaybookItem:
    """One thing to do or to find in a phase; ``key`` is stable across versions."""

    key: str
    kind: ItemKind
    phase: Phase
    required: bool
    text: str
    details: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    expects: Expectation | None = None
    choices: tuple[RemediationChoice, ...] = ()


@dataclass(frozen=True)
class PlaybookDocument:
    """A playbook as it is stored with each version and read by every case."""

    code: str
    title: str
    alert_category: str
    default_severity: Severity
    summary: str
    symptoms: tuple[str, ...]
    failed_verification_is_finding: bool
    references: tuple[Reference, ...]
    phases: tuple[PhaseTarget, ...]
    checklist: tuple[PlaybookItem, ...]
    content: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return a copy of the content to store; ``read_playbook`` takes it back."""
        return deepcopy(self.content)

    @cached_property
    def content_sha256(self) -> str:
        """Hash of the content, which tells one version from another."""
        return hash_value(self.content)

    def target(self, phase: Phase) -> PhaseTarget:
        """Return the target of a phase."""
        return self.phases[phase.position]

    def items(self, phase: Phase) -> tuple[PlaybookItem, ...]:
        """Return the checklist items of a phase, in the order of the document."""
        return tuple(item for item in self.checklist if item.phase is phase)


def parse_playbook(text: str, *, file_name: str) -> PlaybookDocument:
    """Read a playbook from YAML; raise PlaybookError naming file and path."""
    document = read_playbook(_load_yaml(text, file_name), name=file_name)
    # Only where it is loaded: a version that is stored has to stay readable.
    problems = _required_of_nobody(document)
    if problems:
        raise PlaybookError(file_name, problems)
    return document


def read_playbook(content: object, *, name: str) -> PlaybookDocument:
    """Build a playbook from content already parsed, as a version stores it.

    Raise PlaybookError with every fault, each with its JSON path.
    """
    problems = _SCHEMA.find_problems(content)
    if problems or not isinstance(content, dict):
        raise PlaybookError(name, problems)
    problems = _repeated_keys(content)
    if problems:
        raise PlaybookError(name, problems)
    return _build(content)


def _build(content: dict[str, Any]) -> PlaybookDocument:
    """Return a checked document as values."""
    return PlaybookDocument(
        code=content["code"],
        title=content["title"],
        alert_category=content["alert_category"],
        default_severity=Severity(content["default_severity"]),
        summary=content["summary"],
        symptoms=tuple(content["symptoms"]),
        failed_verification_is_finding=content.get(
            "failed_verification_is_finding", False
        ),
        references=_references(content),
        phases=tuple(
            _phase_target(phase, content["phases"][phase]) for phase in PHASE_ORDER
        ),
        checklist=tuple(_item(item) for item in content["checklist"]),
        content=content,
    )


def _phase_target(phase: Phase, target: dict[str, Any]) -> PhaseTarget:
    """Return the target of a phase; None seconds where a lead sets the time."""
    seconds = target["target_seconds"]
    # JSON Schema counts 300.0 as an integer.
    return PhaseTarget(
        phase=phase,
        target_seconds=None if seconds is None else int(seconds),
        counts_from=target["counts_from"],
        actions=target["actions"],
    )


def _item(item: dict[str, Any]) -> PlaybookItem:
    """Return one item of the checklist."""
    return PlaybookItem(
        key=item["key"],
        kind=ItemKind(item["kind"]),
        phase=Phase(item["phase"]),
        required=item["required"],
        text=item["text"],
        details=tuple(item.get("details", ())),
        commands=tuple(item.get("commands", ())),
        references=_references(item),
        expects=_expectation(item["expects"]) if "expects" in item else None,
        choices=tuple(_choice(choice) for choice in item.get("choices", ())),
    )


def _expectation(expects: dict[str, Any]) -> Expectation:
    """Return what an artifact has to be."""
    kinds = tuple(expects.get("evidence_kind", ()))
    return Expectation(**{**expects, "evidence_kind": kinds})


def _choice(choice: dict[str, Any]) -> RemediationChoice:
    """Return one remediation to choose."""
    severity = choice.get("sets_severity")
    return RemediationChoice(
        key=choice["key"],
        text=choice["text"],
        action=RemediationKind(choice["action"]),
        condition=choice.get("condition", ""),
        term=choice.get("term"),
        required=choice.get("required", False),
        sets_severity=Severity(severity) if severity else None,
        commands=tuple(choice.get("commands", ())),
    )


def _references(holder: dict[str, Any]) -> tuple[Reference, ...]:
    """Return the links of an item or a document."""
    return tuple(Reference(**reference) for reference in holder.get("references", ()))


def _repeated_keys(content: dict[str, Any]) -> tuple[Problem, ...]:
    """Return a fault for each key that an earlier item or choice had."""
    problems: list[Problem] = []
    item_keys: set[str] = set()
    choice_keys: set[str] = set()
    for index, item in enumerate(content["checklist"]):
        _note_key(item["key"], ("checklist", index, "key"), item_keys, problems)
        for place, choice in enumerate(item.get("choices", ())):
            path = ("checklist", index, "choices", place, "key")
            _note_key(choice["key"], path, choice_keys, problems)
    return tuple(problems)


def _required_of_nobody(document: PlaybookDocument) -> tuple[Problem, ...]:
    """Return a fault for each item that is required where no gate can ask for it."""
    message = "expected false in detect, which completes by itself, got true"
    return tuple(
        Problem(json_path(("checklist", index, "required")), message)
        for index, item in enumerate(document.checklist)
        if item.required and item.phase is Phase.DETECT
    )


def _note_key(
    key: str, path: tuple[str | int, ...], seen: set[str], problems: list[Problem]
) -> None:
    """Note a problem where a key was used before."""
    if key in seen:
        message = f"expected a key that no other has, got {key!r} again"
        problems.append(Problem(json_path(path), message))
    seen.add(key)


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, less what would let a document mean two things."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases."""
        if self.check_event(yaml.AliasEvent):
            # An alias can make a small file expand without bound.
            mark = self.peek_event().start_mark
            raise ComposerError(None, None, "aliases are not read", mark)
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> Any:
        """Refuse text that the database cannot hold."""
        if UNSTORABLE.search(node.value):
            raise _error("NUL and lone surrogates cannot be stored", node)
        return super().construct_scalar(node)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuse keys that are no text or stand twice.

        YAML itself would keep the last.
        """
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.tag.endswith(
                ":str"
            ):
                raise _error("expected a text as key", key_node)
            if key_node.value in seen:
                raise _error(f"duplicate key {key_node.value!r}", key_node)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


def _error(message: str, node: yaml.Node) -> yaml.YAMLError:
    """Return an error that knows its line and column."""
    return ConstructorError(None, None, message, node.start_mark)


def _load_yaml(text: str, file_name: str) -> object:
    """Return what a file says.

    Raise PlaybookError where it is no plain YAML or too long.
    """
    if len(text) > PLAYBOOK_MAX_CHARS:
        raise PlaybookError(
            file_name,
            (Problem("$", f"expected at most {PLAYBOOK_MAX_CHARS} characters"),),
        )
    try:
        # A SafeLoader underneath: no tag constructs anything but plain data.
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        raise PlaybookError(file_name, (_yaml_problem(error),)) from None
    except RecursionError:
        message = "nested too deeply"
    except (yaml.YAMLError, ValueError):
        # A character that YAML has no place for, or a date such as 2026-99-01.
        message = "not YAML that can be read"
    raise PlaybookError(file_name, (Problem("$", message),))


def _yaml_problem(error: yaml.MarkedYAMLError) -> Problem:
    """Return YAML's own error as a problem, with its place."""
    mark = error.problem_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return Problem("$", f"{where}{error.problem}")

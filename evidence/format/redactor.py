"""Taking out of a copy what it must not tell: flagged members, and what leaks.

Without `deep` nothing but the flagged members is replaced, and what leaks is noted:
the copy is not made then. With it, what leaks is replaced too, and counted. Both say
where and of which kind, never what.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from .building import build_bundle, seal_bundle
from .filters import IncidentBundleFilter
from .hiding import Secrets
from .leaks import strings_with_paths
from .ledger import verify_runtime_risk_ledger_artifact
from .names import FORMAT_MEMBERS, PLACEHOLDER
from .reading_exactly import member_path
from .redaction import (
    IncidentBundleRedactionPolicy,
    flags_set,
    redacted_members,
)
from .summary import sections_of, summarise

FLAGGED = "flagged"
"""The kind of what a flag replaced by its member's name, outside of bundles."""

REMEMBERED_LENGTH = 200
"""Longer texts hardly come twice: what came of them is not kept in memory."""


class Redactor:
    """One copy's redaction: its flags, the values that they hide, and what it found."""

    def __init__(
        self, policy: IncidentBundleRedactionPolicy, secrets: Secrets, *, deep: bool
    ) -> None:
        self.policy, self.secrets, self.deep = policy, secrets, deep
        self.members = {name for _, name in redacted_members(policy.flags)}
        self.replaced: Counter[tuple[str, str]] = Counter()
        self.leaks: list[tuple[str, str]] = []
        self._known: dict[str, tuple[str, list[str]]] = {}

    def text(self, text: str, *, path: str, place: str = "") -> str:
        """Return a text for the copy; `place` is where it is, more exactly than `path`.

        `path` is the same for all lines of a list.
        """
        hidden, found = self._looked_through(text)
        if not self.deep:
            self.leaks += [(place or path, kind) for kind in sorted(set(found))]
            return text
        self.replaced.update((path, kind) for kind in found)
        return hidden

    def document(self, document: Any, *, file: str, line: int | None = None) -> Any:
        """Return a JSON value for the copy, its flagged members replaced."""
        return self._value(document, file, line, "$")

    def bundle(
        self, source: dict[str, Any], *, file: str, generated_at_ms: int
    ) -> dict[str, Any]:
        """Return the redacted copy of a bundle, sealed.

        What the source had redacted stays so, and its filter stands.
        """
        own = flags_set(source["redaction"])
        policy = IncidentBundleRedactionPolicy.from_flags(
            [*dict.fromkeys((*self.policy.flags, *own))]
        )
        scope = IncidentBundleFilter.from_dict(source["filter"])
        made = build_bundle(
            source, filter=scope, redaction=policy, generated_at_ms=generated_at_ms
        )
        return self.rest_of_bundle(made, file=file)

    def rest_of_bundle(self, made: dict[str, Any], *, file: str) -> dict[str, Any]:
        """Return a redacted bundle without what leaks, sealed anew where that changes.

        Not deep, what leaks is noted, and stays.
        """
        hidden: dict[str, Any] = self._value(made, file, None, "$")
        if hidden == made:
            return made
        return seal_bundle(_summed_anew(made, _with_changed_entries(made, hidden)))

    def search(self, made: dict[str, Any]) -> None:
        """Note what leaks in a redacted bundle, and leave it as it is."""
        for path, text in strings_with_paths(made):
            self.text(text, path=path)

    def beside(self, text: str) -> str:
        """Return a text that is said about a copy, without what it must not tell."""
        return self._looked_through(text)[0]

    def listing(self) -> list[dict[str, Any]]:
        """Return what was replaced, by path and kind, with how often."""
        return [
            {"path": path, "kind": kind, "count": count}
            for (path, kind), count in sorted(self.replaced.items())
        ]

    def _looked_through(self, text: str) -> tuple[str, list[str]]:
        """Return a text without what it gives away, and of which kinds that was.

        A bundle says the same short words a hundred thousand times.
        """
        known = self._known.get(text)
        if known is None:
            hidden, found = self.secrets.hide(text)
            known = hidden, [str(kind) for kind in found]
            if len(text) <= REMEMBERED_LENGTH:
                self._known[text] = known
        return known

    def _value(self, value: Any, file: str, line: int | None, place: str) -> Any:
        """Return a JSON value for the copy, its members and elements included."""
        if isinstance(value, str):
            return self._at(value, file, line, place)
        if isinstance(value, list):
            return [
                self._value(each, file, line, f"{place}[{number}]")
                for number, each in enumerate(value)
            ]
        if not isinstance(value, dict):
            return value
        held: dict[str, Any] = {}
        for name, each in value.items():
            shown = self._name(name, file, line, place, held)
            below = member_path(place, shown)
            if name in self.members and each not in (None, PLACEHOLDER):
                self.replaced[(_joined(file, _of_all(below)), FLAGGED)] += 1
                held[shown] = PLACEHOLDER
            else:
                held[shown] = self._value(each, file, line, below)
        return held

    def _at(self, text: str, file: str, line: int | None, place: str) -> str:
        """Return a text of a JSON document for the copy."""
        exact = _joined(f"{file}:{line}" if line else file, place)
        return self.text(text, path=_joined(file, _of_all(place)), place=exact)

    def _name(
        self, name: str, file: str, line: int | None, place: str, held: dict[str, Any]
    ) -> str:
        """Return a member's name for the copy; one that gives something away goes."""
        if name in FORMAT_MEMBERS:
            return name
        noted = len(self.leaks)
        shown = self._at(name, file, line, place)
        if shown == name and len(self.leaks) == noted:
            return name
        unique, number = PLACEHOLDER, 2
        while unique in held:
            unique, number = f"{PLACEHOLDER} {number}", number + 1
        return unique


def _joined(file: str, place: str) -> str:
    """Return a place in a file; of a document that stands alone the place alone."""
    return f"{file} {place}" if file else place


def _of_all(place: str) -> str:
    """Return a JSON path without its indexes: one line for all of a list."""
    parts = place.split("[")
    return "".join(
        part if number == 0 else _after_index(part) for number, part in enumerate(parts)
    )


def _after_index(part: str) -> str:
    """Return what follows an index; a quoted member's name stays as it is."""
    index, _, rest = part.partition("]")
    return f"[]{rest}" if index.isdigit() else f"[{part}"


def _with_changed_entries(
    made: dict[str, Any], hidden: dict[str, Any]
) -> dict[str, Any]:
    """Mark the ledger's entries that were changed as redacted.

    Their own hash cannot be recomputed any more, which the placeholder says.
    """
    pairs = zip(
        made["risk_ledger"]["entries"], hidden["risk_ledger"]["entries"], strict=True
    )
    entries = [
        {**after, "params_hash": PLACEHOLDER}
        if after != before and isinstance(after, dict)
        else after
        for before, after in pairs
    ]
    return {**hidden, "risk_ledger": {**hidden["risk_ledger"], "entries": entries}}


def _summed_anew(made: dict[str, Any], hidden: dict[str, Any]) -> dict[str, Any]:
    """Return the bundle with the figures of what it holds now.

    Whether its chain is valid stays what the source's entries said.
    """
    report = verify_runtime_risk_ledger_artifact(
        hidden["risk_ledger"],
        filtered_by_extension=hidden["filter"]["extension_id"] is not None,
    )
    summary = summarise(sections_of(hidden), hidden["risk_replay"], report)
    valid = made["summary"]["ledger_chain_valid"]
    return {**hidden, "summary": {**summary, "ledger_chain_valid": valid}}

"""Choices of forms: a queryset that is cut offers choices and then refuses them all."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def cut_lines(source: str) -> list[int]:
    """Return the lines that give a field's queryset as a slice."""
    return sorted(_cut_lines(ast.parse(source)))


def _cut_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        value = None
        if isinstance(node, ast.Assign):
            names = [
                target.attr
                for target in node.targets
                if isinstance(target, ast.Attribute)
            ]
            value = node.value if "queryset" in names else None
        elif isinstance(node, ast.keyword) and node.arg == "queryset":
            value = node.value
        if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):
            yield value.lineno


def test_no_form_chooses_from_a_queryset_that_is_cut() -> None:
    modules = [
        module
        for app in ("evidence", "policy", "incidents")
        for module in (ROOT / app).rglob("*.py")
    ]
    assert modules
    found = {
        module.relative_to(ROOT).as_posix(): cut_lines(module.read_text())
        for module in modules
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_cut_queryset_would_be_found() -> None:
    sample = "field.queryset = rows[:300]\nForm(queryset=rows[:5], other=rows[:1])\n"
    assert cut_lines(sample) == [1, 2]

"""Fold expressions to the values they must have, without running anything.

Guarantees: bounded in steps, depth and size; a value is either what JavaScript would
compute or unknown. Where a name is written more than once, every value that it may
have had is kept, so that a harmless last write hides nothing.

Does not: follow values through other files, closures' side effects or the clock.

Each module adds one layer to the folder: state, constants, expressions, parameters,
bindings, members, calls.
"""

from policy.scanner.folding.calls import (
    MAX_CODE_NESTING,
    CallFolding,
    unpack_call,
)
from policy.scanner.folding.state import Budget


class Folder(CallFolding):
    """Folds the expressions of one program."""


Folder.handlers = {
    "identifier": Folder.identifier,
    "shorthand_property_identifier": Folder.identifier,
    "string": Folder.string,
    "template_string": Folder.template,
    "number": Folder.number,
    "regex": Folder.regex,
    "true": Folder.word,
    "false": Folder.word,
    "null": Folder.word,
    "undefined": Folder.word,
    "array": Folder.array,
    "object": Folder.object,
    "parenthesized_expression": Folder.inner,
    "as_expression": Folder.inner,
    "satisfies_expression": Folder.inner,
    "non_null_expression": Folder.inner,
    "type_assertion": Folder.inner,
    "instantiation_expression": Folder.inner,
    "await_expression": Folder.awaited,
    "yield_expression": Folder.awaited,
    "sequence_expression": Folder.sequence,
    "ternary_expression": Folder.conditional,
    "binary_expression": Folder.binary,
    "unary_expression": Folder.unary,
    "assignment_expression": Folder.assigned,
    "member_expression": Folder.member,
    "subscript_expression": Folder.member,
    "call_expression": Folder.call,
    "new_expression": Folder.new,
    "this": Folder.this_value,
    "class": Folder.klass,
    **dict.fromkeys(
        ("function_expression", "arrow_function", "generator_function"), Folder.function
    ),
}


__all__ = ["MAX_CODE_NESTING", "Budget", "Folder", "unpack_call"]

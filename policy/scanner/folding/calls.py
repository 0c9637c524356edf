"""Calls: of the runtime, of functions of the source, of code in text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.builtins.hosts import CODE_MAKERS
from policy.scanner.builtins.methods import call_method
from policy.scanner.builtins.natives import call_native
from policy.scanner.builtins.reflection import items_of
from policy.scanner.folding.constants import fold_template
from policy.scanner.folding.interpreter import call_function
from policy.scanner.folding.members import fold_member, make_instance
from policy.scanner.limits import MAX_ITEMS, MAX_TEXT
from policy.scanner.parsing.program import build_program
from policy.scanner.parsing.scopes import (
    Scope,
    arguments_of,
    unwrap,
)
from policy.scanner.parsing.syntax import parse
from policy.scanner.semantics.coercion import to_text
from policy.scanner.semantics.values import (
    UNKNOWN,
    Array,
    Blob,
    Bound,
    Bytes,
    Class,
    Code,
    Function,
    Host,
    Method,
    Module,
    Object,
    OneOf,
    Value,
    add_via,
    merge_via,
    one_of,
    options,
    unknown,
)

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder


# Each level is parsed anew, and no decoder needs more.
MAX_CODE_NESTING = 3


def fold_arguments(folder: Folder, call: Node, scope: Scope) -> list[Value]:
    """Fold a call's arguments; a spread of known items becomes those."""
    values: list[Value] = []
    for node in arguments_of(call):
        if node.type == "spread_element":
            items = items_of(folder.fold(node.named_children[0], scope))
            values.extend(items if items is not None else (UNKNOWN,))
        elif node.type == "template_string" and is_tagged(call):
            values.append(fold_tagged(folder, node, scope))
        else:
            values.append(folder.fold(node, scope))
    return values[:MAX_ITEMS]


def is_tagged(call: Node) -> bool:
    """Return whether a call is that of a template's tag."""
    arguments = call.child_by_field_name("arguments")
    return arguments is not None and arguments.type == "template_string"


def fold_tagged(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return the one argument that a tag gets of a template: its text in an array."""
    text = fold_template(folder, node, scope)
    return Array((add_via(text, "tagged-template"),))


def fold_callee(folder: Folder, call: Node, scope: Scope) -> Value:
    """Fold what is called; the member of an unknown owner is a method of it."""
    node = call.child_by_field_name("function")
    if node is None:
        node = call.child_by_field_name("constructor")
    target = unwrap(node)
    if target is None:
        return UNKNOWN
    if target.type == "import":
        return Host("import")
    if target.type not in ("member_expression", "subscript_expression"):
        value = folder.fold(target, scope)
        if target.type == "sequence_expression":
            return add_via(value, "indirect-eval")
        return value
    found = fold_member(folder, target, scope)
    if type(found) is not Value:
        return found
    key, _ = folder.member_key(target, scope)
    owner = folder.fold(target.child_by_field_name("object"), scope)
    return Method(owner, key, via=owner.via) if key is not None else found


def fold_call(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return what a call gives back, or unknown."""
    target = fold_callee(folder, node, scope)
    if isinstance(target, Host) and target.name == "String.raw":
        return raw_template(folder, node, scope)
    if type(target) is Value and not target.via:
        return UNKNOWN
    return apply_value(folder, target, fold_arguments(folder, node, scope))


def raw_template(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return the text of a template that `String.raw` is the tag of."""
    nodes = arguments_of(node)
    if is_tagged(node):
        return fold_template(folder, nodes[0], scope)
    return UNKNOWN


def fold_new(folder: Folder, node: Node, scope: Scope) -> Value:
    """Return what a constructor makes: an instance, or what a host makes."""
    target = fold_callee(folder, node, scope)
    if isinstance(target, Class):
        return make_instance(folder, target)
    if isinstance(target, (Host, OneOf)):
        made = apply_value(folder, target, fold_arguments(folder, node, scope))
        # An array that has a name may be filled with more by then.
        is_sure = not isinstance(made, Blob) or _lists_first(node)
        return made if is_sure else unknown(made)
    return unknown(target)


def _lists_first(call: Node) -> bool:
    """Return whether a call's first argument is an array as it is written there."""
    return any(argument.type == "array" for argument in arguments_of(call)[:1])


def apply_value(folder: Folder, target: Value, arguments: list[Value]) -> Value:
    """Return the result of calling a value."""
    # A call is a step of its own: options times options add up without a new node.
    if not folder.may_continue():
        return UNKNOWN
    decoded = call_decoder(folder, target, arguments)
    if decoded is not None:
        return decoded
    if isinstance(target, OneOf):
        return one_of(
            apply_value(folder, option, arguments) for option in target.options
        )
    target, arguments = unpack_call(target, arguments)
    if isinstance(target, Host):
        return apply_host(folder, target, arguments)
    if isinstance(target, Function):
        return call_function(folder, target, arguments)
    if isinstance(target, Code):
        value = evaluate(folder, target.body)
        return (
            add_via(value, "code-in-text") if value is not UNKNOWN else unknown(target)
        )
    if isinstance(target, Method):
        return apply_method(folder, target, arguments)
    return unknown(target, *arguments)


def call_decoder(folder: Folder, target: Value, arguments: list[Value]) -> Value | None:
    """Return what an obfuscator's decoder gives, by running it; None for any other."""
    for option in options(target):
        if isinstance(option, Function) and option.node.id in folder.decoders:
            return folder.decoders.call(option.node.id, arguments)
    return None


def apply_host(folder: Folder, target: Host, arguments: list[Value]) -> Value:
    """Return what one of the runtime's own functions gives back."""
    name = target.name
    if name == "createRequire":
        return Host("require", via=target.via | {"create-require"})
    if name == "eval":
        text = to_text(arguments[0]) if arguments else None
        value = evaluate(folder, text) if text is not None else UNKNOWN
        return add_via(value, "code-in-text", *merge_via(target, *arguments[:1]))
    if name in CODE_MAKERS:
        body = to_text(arguments[-1]) if arguments else ""
        if body is None:
            return unknown(*arguments)
        return Code(body, via=merge_via(target, *arguments[-1:]))
    if name == "Reflect.set":
        return UNKNOWN
    if name == "TextDecoder":
        return Host("TextDecoder()")
    result = call_native(name, arguments, folder)
    if name in ("require", "import", "process.getBuiltinModule"):
        if isinstance(result, Module) and result.name == "process":
            return Host("process", via=result.via | {"loader-object"})
        return result
    return add_via(result, *target.via) if target.via else result


def apply_method(folder: Folder, target: Method, arguments: list[Value]) -> Value:
    """Return what a method gives back; a promise counts as its value."""
    owner, name = target.owner, target.name
    if name == "bind" and arguments:
        if isinstance(owner, Method):
            # Function.call.bind(f): what is bound is the owner of the method.
            owner = Method(arguments[0], owner.name, via=owner.via)
        return Bound(owner, tuple(arguments[1:]), via=owner.via | {"reflective-call"})
    # A promise of a value is taken for the value: what is called with it counts.
    if name in ("then", "finally") and arguments and not isinstance(owner, Object):
        return apply_value(folder, arguments[0], [owner])
    if name == "decode" and arguments and isinstance(arguments[0], Bytes):
        return call_method(arguments[0], "toString", [], folder)
    return one_of(
        call_method(option, name, arguments, folder) for option in options(owner)
    )


def evaluate(folder: Folder, text: str) -> Value:
    """Return the value of code in a string: its last expression or `return`."""
    if folder.nesting >= MAX_CODE_NESTING or len(text) > MAX_TEXT:
        return UNKNOWN
    root = parse(text.encode("utf-8", "replace"), "javascript").root
    program = build_program(root)
    inside = folder.for_code(program)
    # As eval does: its value is that of the last statement.
    for child in reversed(root.named_children):
        if child.type in ("expression_statement", "return_statement"):
            inner = child.named_children[0] if child.named_children else None
            return inside.fold(inner, program.root)
        if child.type != "comment":
            break
    return UNKNOWN


def unpack_call(target: Value, arguments: list[Value]) -> tuple[Value, list[Value]]:
    """Return what is really called: through call, apply, bind and Reflect."""
    # f.call.call.call(…) may go on for ever; nobody writes so many by hand.
    for _ in range(8):
        if isinstance(target, Bound):
            arguments = [*target.arguments, *arguments]
            target = add_via(target.target, *target.via)
        elif isinstance(target, Host) and target.name in _REFLECTIVE:
            given = (
                items_of(arguments[_REFLECTIVE[target.name]])
                if len(arguments) > _REFLECTIVE[target.name]
                else None
            )
            inner = arguments[0] if arguments else UNKNOWN
            arguments = list(given) if given is not None else [UNKNOWN]
            target = add_via(inner, "reflective-call", *target.via)
        elif isinstance(target, Method) and target.name in ("call", "apply"):
            owner = target.owner
            this = arguments[0] if arguments else UNKNOWN
            rest = arguments[1:]
            if target.name == "apply":
                rest = list(items_of(rest[0]) or (UNKNOWN,)) if rest else []
            if isinstance(owner, Method):
                owner = Method(this, owner.name, via=owner.via)
            target, arguments = add_via(owner, "reflective-call", *target.via), rest
        else:
            break
    return target, arguments


_REFLECTIVE = {"Reflect.apply": 2, "Reflect.construct": 1}

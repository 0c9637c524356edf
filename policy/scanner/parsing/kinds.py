"""Kinds of syntax nodes, by what the walk over the tree does with them."""

LOOPS = frozenset(
    ("for_statement", "for_in_statement", "while_statement", "do_statement")
)
BLOCKS = LOOPS | {
    "statement_block",
    "catch_clause",
    "switch_body",
    "class_static_block",
}
SITES = frozenset(
    [
        "call_expression",
        "new_expression",
        "import_statement",
        "export_statement",
        "member_expression",
        "subscript_expression",
        "assignment_expression",
        "pair",
        "augmented_assignment_expression",
        "with_statement",
    ]
)
# Never on the way to a binding or a site: whole subtrees are skipped.
TYPE_ONLY = frozenset(
    [
        "type_annotation",
        "type_arguments",
        "type_parameters",
        "interface_declaration",
        "type_alias_declaration",
        "ambient_declaration",
        "comment",
    ]
)
# Members that reach the runtime's internals, and escapes, by which one may be spelled.
TELLING_MEMBERS = frozenset((b"binding", b"dlopen", b"_linkedBinding"))
TELLING_TEXTS = (b"inding", b"dlopen", b"\\u")

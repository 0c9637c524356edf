"""Fold expressions to the values they must have, without running anything.

Guarantees: bounded in steps, depth and size; a value is either what JavaScript would
compute or unknown. Where a name is written more than once, every value that it may
have had is kept, so that a harmless last write hides nothing.

Does not: follow values through other files, closures' side effects or the clock.

One `Folder` holds the state; its table names a function for each type of node, from
the modules beside it: constants, expressions, parameters, bindings, members, calls.
"""

from policy.scanner.folding.calls import MAX_CODE_NESTING, unpack_call
from policy.scanner.folding.folder import Folder
from policy.scanner.folding.state import Budget

__all__ = ["MAX_CODE_NESTING", "Budget", "Folder", "unpack_call"]

"""The proof of a whole file: every rule, within the time that is spent on one."""

from __future__ import annotations

from policy.scanner.limits import PROOF_SECONDS, Clock, OverTimeError
from policy.scanner.parsing.syntax import Syntax
from policy.scanner.proof.computed import doubt_computed
from policy.scanner.proof.doors import follow_doors
from policy.scanner.proof.doubts import Proof
from policy.scanner.proof.prototypes import follow_prototypes
from policy.scanner.proof.prover import Prover
from policy.scanner.proof.readings import doubt_readings
from policy.scanner.proof.source import Source, TooManyUsesError
from policy.scanner.proof.this import doubt_this


def prove(syntax: Syntax) -> Proof:
    """Look at every use of a capability in a parsed file.

    Where that costs more than PROOF_SECONDS, the file as a whole is a doubt.
    """
    clock = Clock(PROOF_SECONDS)
    prover = Prover(Source(syntax.root, syntax.source, clock))
    try:
        doubt_readings(prover)
        prover.run()
        follow_doors(prover)
        follow_prototypes(prover)
        doubt_computed(prover)
        doubt_this(prover)
    except TooManyUsesError as error:
        why = f"{error} is used so often that its uses are not followed"
        prover.proof.doubt(syntax.root, "not-fully-analysed", why)
    except OverTimeError:
        why = "The file takes longer to be proved harmless than is spent on it"
        prover.proof.doubt(syntax.root, "not-fully-analysed", why)
    return prover.proof

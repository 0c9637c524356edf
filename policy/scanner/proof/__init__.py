"""Prove that nothing is loaded, run or reached but what can be named; doubt the rest.

Guarantees: a file without a doubt loads only the modules that `Proof.loads` names,
makes no code of text, and hands nothing of the runtime's to anybody. What is not
proved is a doubt, whatever the reason: the prover gives up early and often.

Does not: find out what a doubtful place does. Folding does that (folding/), and its
answers may only make a doubt worse.
"""

from policy.scanner.proof.doubts import Doubt, Load, Proof
from policy.scanner.proof.proving import prove

__all__ = ["Doubt", "Load", "Proof", "prove"]

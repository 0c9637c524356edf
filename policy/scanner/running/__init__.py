"""Run the decoders of obfuscators: a closed part of JavaScript, on values of its own.

An obfuscator keeps a program's texts in an array that it rotates until a checksum of
them is right, and fetches each by a function that decodes it. Both are functions of
themselves: they reach nothing of the runtime's, so that running them needs no more than
numbers, texts, arrays and objects. Whatever else they use ends the attempt, and so does
a budget of steps and time. What is found out this way may name what a file does; it
never makes a file safe.
"""

from policy.scanner.running.decoders import Decoders, find_decoders

__all__ = ["Decoders", "find_decoders"]

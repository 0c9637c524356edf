"""How messages end, and what the values of fixed sets are called."""

from __future__ import annotations

WORDS = {
    "ci_gate": "CI gate",
    "closed_duplicate": "closed as duplicate",
    "closed_false_alarm": "closed as false alarm",
}
"""Values of fixed sets that are not their own words."""

ENDS = ".!?:…"
"""What ends a sentence, or announces what follows."""


def end_sentence(text: str) -> str:
    """Return a message trimmed, with a full stop where it has no end."""
    text = text.strip()
    return text if not text or text[-1] in ENDS else f"{text}."


def as_sentence(text: str) -> str:
    """Return a message that starts with a capital and has an end."""
    text = end_sentence(text)
    return text[:1].upper() + text[1:]


def say_value(value: str) -> str:
    """Return a value of a fixed set as it stands in a sentence."""
    return WORDS.get(value) or value.replace("_", " ")


def label_of(value: str) -> str:
    """Return a value of a fixed set as a label: its words with a capital first."""
    words = say_value(value)
    return words[:1].upper() + words[1:]

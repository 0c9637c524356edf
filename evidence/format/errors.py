"""The one way in which this package says no.

A document that can be read gets a report, whatever its faults; one that cannot be
read, or is no document of the format at all, raises `DocumentRefused`.
"""

from __future__ import annotations


class DocumentRefused(Exception):
    """A document that is not one of this format, or an argument that cannot be used.

    `path` is the JSON path at fault, None where there is none to give; `code` is
    stable; `message` says what was expected and never repeats evidence content.
    """

    def __init__(self, code: str, message: str, path: str | None = None) -> None:
        super().__init__(message if path is None else f"{path}: {message}")
        self.code = code
        self.message = message
        self.path = path

    def __reduce__(self) -> tuple[type[DocumentRefused], tuple[str, str, str | None]]:
        """Let it be handed from one process to another."""
        return type(self), (self.code, self.message, self.path)

    def as_dict(self) -> dict[str, str | None]:
        """Return path, code and message as plain JSON values."""
        return {"path": self.path, "code": self.code, "message": self.message}

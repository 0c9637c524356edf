"""The scanner's one error family: raised when a source is refused as a whole."""

from __future__ import annotations


class SourceRefusedError(Exception):
    """A source that is not scanned at all; `member` is the path at fault, if any."""

    def __init__(self, code: str, message: str, *, member: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.member = member

    def as_dict(self) -> dict[str, str | None]:
        """Return the refusal as plain JSON values."""
        return {"code": self.code, "message": self.message, "member": self.member}

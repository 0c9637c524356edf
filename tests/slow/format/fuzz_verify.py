"""Feed atheris's inputs to the verifier: `python -m tests.slow.format.fuzz_verify DIR`.

Any exception but a refusal ends the run with the input that raised it.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["evidence.format"]):
    from evidence.format import DocumentRefused, read_bytes, verify_document


def test_one_input(data: bytes) -> None:
    """Verify the bytes, the two halves as document and source too."""
    with contextlib.suppress(DocumentRefused):
        verify_document(read_bytes(data, max_bytes=1_000_000))
    document, found, source = data.partition(b"\x00")
    if found:
        with contextlib.suppress(DocumentRefused):
            verify_document(document, source=source)


def main() -> None:
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""`make clean`: remove what can be made again, and data only when told to."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from config.launcher.folders import ROOT, find_state_folder, read_holder, state_folder

CACHES = (".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")
BUILT = ("staticfiles", ".artifacts", ".test-seeds")


def main() -> int:
    """Remove caches and the environment; ask before removing the local run's data."""
    state = find_state_folder()
    if read_holder(state) is not None:
        print(
            f"casefile: a run is on in {state}, and would lose what it runs with. Stop "
            "it first.",
            file=sys.stderr,
        )
        return 1
    for name in CACHES + BUILT:
        _remove(ROOT / name)
    for folder in ROOT.rglob("__pycache__"):
        shutil.rmtree(folder, ignore_errors=True)
    if state.exists() and _is_confirmed(state):
        with state_folder():
            _remove(state)
    return 0


def _is_confirmed(state: Path) -> bool:
    question = f"Remove the local run's cases and evidence in {state}, too? [y/N] "
    try:
        return input(question).strip().lower() in {"y", "yes"}
    except EOFError:
        print("\nkept, since nobody answered")
        return False


def _remove(path: Path) -> None:
    if path.exists():
        print(f"removing {path}")
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

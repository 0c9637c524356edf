"""One world for all tests of a module: made once, and each test leaves it as it was.

For modules whose tests begin with the same costly rows and files, and of which none
commits: the world is a transaction that is given up at the end of the module.
"""

from __future__ import annotations

import copy
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import Settings


@dataclass(frozen=True)
class Kept:
    """What was made, and the folder of its evidence."""

    world: Any
    folder: Path


def store_at(settings: Any, folder: Path) -> dict[str, Any]:
    """Return the settings of an evidence store in this folder."""
    storages = {name: dict(value) for name, value in settings.STORAGES.items()}
    options = {**storages["evidence"]["OPTIONS"], "location": str(folder)}
    storages["evidence"]["OPTIONS"] = options
    return {
        "STORAGES": storages,
        "EVIDENCE_ROOT": str(folder),
        "LOG_KEY_FILE": f"{folder}.log-key",
    }


def new_store(folder: Path) -> Path:
    """Make a folder for evidence, with the mark of a store of its own."""
    folder.mkdir()
    mark = {"store_id": str(uuid.uuid4())}
    (folder / "casefile-store.json").write_text(json.dumps(mark))
    return folder


def share(make: Callable[[], Any]) -> tuple[Any, Any, Any, Any]:
    """Return four fixtures, which a module has to call like this:

    ``_kept, world, _django_db_helper, evidence_folder = share(make_world)``

    Only the second may have any name; it gives each test a copy of the world.
    """

    @pytest.fixture(scope="module")
    def _kept(
        django_db_setup: None,
        django_db_blocker: Any,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Iterator[Kept]:
        from django.conf import settings

        folder = new_store(tmp_path_factory.mktemp("kept") / "evidence")
        with django_db_blocker.unblock(), transaction.atomic():
            with override_settings(**store_at(settings, folder)):
                world = make()
            yield Kept(world, folder)
            transaction.set_rollback(True)

    @pytest.fixture
    def world(_kept: Kept, db: None) -> Any:
        return copy.deepcopy(_kept.world)

    @pytest.fixture
    def _django_db_helper(_kept: Kept) -> Iterator[None]:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)

    # It takes `db`: what a test does that asks for no world is given up too.
    @pytest.fixture(autouse=True)
    def evidence_folder(
        settings: Settings, evidence_folder: Path, _kept: Kept, db: None
    ) -> Path:
        """Let each test have its own copy of the files, to do with as it likes."""
        shutil.copytree(_kept.folder, evidence_folder, dirs_exist_ok=True)
        key = Path(f"{_kept.folder}.log-key")
        if key.exists():
            shutil.copy(key, settings.LOG_KEY_FILE)
        return evidence_folder

    return _kept, world, _django_db_helper, evidence_folder

"""Loading playbooks: known content changes nothing, other content is a version."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import SYSTEM_STREAM, record_entry
from incidents.errors import PlaybookRefused
from incidents.models import Playbook, PlaybookVersion
from incidents.workflow.errors import PlaybookError
from incidents.workflow.playbook_document import PlaybookDocument, parse_playbook

BUILT_IN_FOLDER = Path(__file__).resolve().parent.parent / "playbooks"
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class LoadedPlaybook:
    """What became of one file: the version that holds its content, new or not."""

    version: PlaybookVersion
    is_new: bool


def load_folder(
    folder: Path, *, actor: Actor, now: dt.datetime | None = None
) -> list[LoadedPlaybook]:
    """Load every playbook of a folder, or none where one of them is refused."""
    if not folder.is_dir():
        raise PlaybookRefused(f"There is no folder of playbooks at {folder}.")
    paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    documents = [(path, _read(path)) for path in paths]
    with transaction.atomic():
        return [
            load_playbook(document, file_name=path.name, actor=actor, now=now)
            for path, document in documents
        ]


@transaction.atomic
def load_playbook(
    document: PlaybookDocument,
    *,
    file_name: str,
    actor: Actor,
    now: dt.datetime | None = None,
) -> LoadedPlaybook:
    """Store a playbook as its next version, unless the newest has the same content."""
    require_permission(actor, "incidents.add_playbookversion")
    moment = now or timezone.now()
    playbook = _lock_playbook(document)
    newest = playbook.versions.order_by("-number").first()
    if newest is not None and newest.content_sha256 == document.content_sha256:
        return LoadedPlaybook(newest, is_new=False)
    version = PlaybookVersion.objects.create(
        playbook=playbook,
        number=newest.number + 1 if newest else 1,
        content_sha256=document.content_sha256,
        document=document.as_dict(),
        file_name=file_name[:255],
        loaded_at=moment,
        loaded_by=actor,
    )
    Playbook.objects.filter(pk=playbook.pk).update(title=document.title)
    record_entry(
        streams=[SYSTEM_STREAM],
        action="playbook.loaded",
        actor=actor,
        obj=version,
        before={"content_sha256": newest.content_sha256} if newest else None,
        after={"content_sha256": version.content_sha256, "file_name": file_name},
        now=moment,
    )
    return LoadedPlaybook(version, is_new=True)


def _lock_playbook(document: PlaybookDocument) -> Playbook:
    # Two that load the same at once, as two servers do at their start: one makes the
    # row, both then wait for it in turn.
    Playbook.objects.bulk_create(
        [Playbook(code=document.code, title=document.title)], ignore_conflicts=True
    )
    return Playbook.objects.select_for_update().get(code=document.code)


def _read(path: Path) -> PlaybookDocument:
    try:
        return parse_playbook(path.read_text(encoding="utf-8"), file_name=path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise PlaybookRefused(f"{path.name}: cannot be read: {error}") from error
    except PlaybookError as error:
        raise PlaybookRefused(str(error)) from error

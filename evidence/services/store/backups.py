"""Backups: the database and the store in one folder, verified while written.

The database first: evidence is stored before its row is written and never changed, so
the store as it is after the dump has everything that the dump names. A backup that was
interrupted goes on where it stopped. Its manifest is written last: a folder without it
is no backup yet.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from psycopg import sql

from evidence import storage
from evidence.audit.history import record_entry
from evidence.database.base import READING_SCHEMA
from evidence.errors import BackupRefused, EvidenceMissing
from evidence.models import StoreMark
from evidence.services.store.claims import list_claimed
from evidence.services.store.marking import settle_store
from evidence.services.store.postgres_tools import run_tool

SCHEMA = "casefile.backup.v1"
MANIFEST = "backup.json"
DUMP = "database.dump"
FILES = "evidence"
CHUNK_BYTES = 1024 * 1024
IS_OWNER = (
    "SELECT current_user, pg_has_role(current_user, datdba, 'USAGE') FROM pg_database"
    " WHERE datname = current_database()"
)
ROLES = (
    "Roles are not in a backup, since they belong to the server: make the owner's and "
    "the application's, and an empty database of the owner's (docs/deploy.md, Database "
    "roles), then restore as the owner. Nothing was restored."
)
TABLES_OF_PEOPLE = {"auth_user", "incidents_incident", "evidence_evidenceitem"}

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Manifest:
    """What a backup has. `unsound` are digests that the store had no sound bytes of."""

    schema: str
    store_id: str
    began_at: str
    finished_at: str
    dump_sha256: str
    dump_bytes: int
    file_count: int
    file_bytes: int
    unsound: list[str]


def make_backup(folder: Path, *, tell: Tell) -> Manifest:
    """Back the database and the store up into a folder, or go on with one.

    Raise BackupRefused for a folder that has a finished backup, or anything else.
    """
    _prepare(folder)
    began_at = timezone.now()
    store_id = settle_store()
    dump = folder / DUMP
    # What was copied before is older than this dump, and so needs no dump of its own.
    _dump_database(dump)
    tell(f"database: {dump.stat().st_size} bytes")
    unsound = [claim for claim in list_claimed() if not _copy_out(claim, folder)]
    names, size_bytes = _count_files(folder)
    manifest = Manifest(
        schema=SCHEMA,
        store_id=store_id,
        began_at=began_at.isoformat(),
        finished_at=timezone.now().isoformat(),
        dump_sha256=_hash_file(dump),
        dump_bytes=dump.stat().st_size,
        file_count=names,
        file_bytes=size_bytes,
        unsound=unsound,
    )
    _write_synced(folder / MANIFEST, json.dumps(asdict(manifest), indent=2) + "\n")
    _record(manifest)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Return a backup's manifest. Raise BackupRefused where there is none."""
    try:
        document: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        manifest = Manifest(**document)
    except FileNotFoundError as error:
        raise BackupRefused(
            f"{folder} has no {MANIFEST}: it is no backup, or one that was not "
            "finished. Run backup on it again, or choose another."
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise BackupRefused(f"{folder / MANIFEST} cannot be read: {error}") from error
    if manifest.schema != SCHEMA:
        raise BackupRefused(f"{folder} is of another version: {manifest.schema}.")
    return manifest


def restore_backup(folder: Path, *, tell: Tell) -> Manifest:
    """Restore a backup into an empty installation, and bring it up to this version.

    Everything is read before anything is written. Raise BackupRefused for a backup
    that is damaged, an installation that has data, and a role that is missing or does
    not own the database; all is left as it was then.
    """
    manifest = read_manifest(folder)
    _require_sound(folder, manifest)
    _require_owner()
    _require_empty_store(manifest)
    _require_empty_database()
    # The files first: a restore that breaks among them can simply be run again.
    storage.write_mark(manifest.store_id)
    for path in _files_of(folder):
        _copy_in(path)
    tell(f"evidence: {manifest.file_count} files restored")
    _empty_schema()
    run_tool(
        "pg_restore",
        [
            *("--no-owner", "--no-privileges", "--exit-on-error"),
            *("--single-transaction", "--dbname", connection.settings_dict["NAME"]),
            str(folder / DUMP),
        ],
    )
    # What the connection knew of types is of the tables that are gone.
    connection.close()
    tell("database: restored")
    call_command("migrate", verbosity=0, interactive=False)
    return manifest


def _prepare(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / MANIFEST).exists():
        raise BackupRefused(
            f"{folder} has a finished backup, which stays as it is. Choose another "
            "folder."
        )
    strangers = {path.name for path in folder.iterdir()} - {
        *(DUMP, f"{DUMP}.part", FILES, f"{MANIFEST}.part")
    }
    if strangers:
        raise BackupRefused(
            f"{folder} has other files: {', '.join(sorted(strangers)[:5])}. Choose an "
            "empty folder."
        )


def _dump_database(dump: Path) -> None:
    part = dump.with_name(f"{DUMP}.part")
    run_tool(
        "pg_dump",
        [
            *("--format", "custom", "--no-owner", "--no-privileges"),
            *("--exclude-schema", READING_SCHEMA, "--file", str(part)),
        ],
    )
    # Read back whole: a dump that cannot be listed cannot be restored.
    run_tool("pg_restore", ["--list", "--file", os.devnull, str(part)])
    _sync(part)
    part.rename(dump)
    _sync(dump.parent)


def _copy_out(sha256_hex: str, folder: Path) -> bool:
    """Copy stored bytes unless a sound copy is there; tell whether they are sound."""
    path = folder / FILES / sha256_hex[:2] / sha256_hex
    if path.is_file() and _hash_file(path) == sha256_hex:
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{sha256_hex}.part")
    digest = hashlib.sha256()
    try:
        with part.open("wb") as file:
            for chunk in storage.iter_stored(sha256_hex):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != sha256_hex:
            return False
        part.rename(path)
    except EvidenceMissing:
        return False
    finally:
        part.unlink(missing_ok=True)
    return True


def _require_sound(folder: Path, manifest: Manifest) -> None:
    if _hash_file(folder / DUMP) != manifest.dump_sha256:
        raise BackupRefused(
            f"{folder / DUMP} is not the file that was written: it was changed or cut."
        )
    files = _files_of(folder)
    damaged = [path.name for path in files if _hash_file(path) != path.name]
    if damaged or len(files) != manifest.file_count:
        raise BackupRefused(
            f"{len(damaged)} files of the backup are damaged, and "
            f"{manifest.file_count - len(files)} are missing. First: "
            f"{', '.join(damaged[:3]) or 'none that can be named'}."
        )


def _require_empty_store(manifest: Manifest) -> None:
    found = storage.read_mark()
    if found not in (None, manifest.store_id):
        raise BackupRefused(
            f"The evidence store here is {found}, and the backup is of "
            f"{manifest.store_id}. Restore into an empty folder or bucket."
        )
    if found is None and storage.has_content():
        raise BackupRefused(
            "The evidence folder has files and no mark. Restore into an empty one."
        )


def _require_owner() -> None:
    """Raise BackupRefused where the database does not let us in, or is another's."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(IS_OWNER)
            role, is_owner = cursor.fetchone()
    except OperationalError as error:
        said = str(error).strip().splitlines()[-1].rpartition("FATAL:")[2].strip()
        raise BackupRefused(
            f"The database of DATABASE_URL cannot be reached: {said}. {ROLES}"
        ) from error
    if not is_owner:
        raise BackupRefused(
            f"The role {role} does not own the database of DATABASE_URL. {ROLES}"
        )


def _require_empty_database() -> None:
    """Raise BackupRefused unless there are no tables, or no people and no cases."""
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for table in TABLES_OF_PEOPLE & tables:
            query = sql.SQL("SELECT EXISTS (SELECT FROM {})")
            cursor.execute(query.format(sql.Identifier(table)))
            if cursor.fetchone()[0]:
                raise BackupRefused(
                    f"The database has data ({table}). Restore into an empty one."
                )


def _empty_schema() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")


def _copy_in(path: Path) -> None:
    with path.open("rb") as file, storage.receive_stream(file) as incoming:
        if incoming.sha256_hex != path.name:
            raise BackupRefused(f"{path} was changed while it was restored.")
        incoming.keep()


def _files_of(folder: Path) -> list[Path]:
    found = (folder / FILES).glob("*/*")
    return sorted(path for path in found if path.suffix != ".part")


def _count_files(folder: Path) -> tuple[int, int]:
    files = _files_of(folder)
    return len(files), sum(path.stat().st_size for path in files)


def _hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _write_synced(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    _sync(part)
    part.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@transaction.atomic
def _record(manifest: Manifest) -> None:
    """Note in the history that there is a backup; the backup itself is older."""
    mark = StoreMark.objects.filter(store_id=uuid.UUID(manifest.store_id)).first()
    record_entry(
        action="backup.made",
        actor=None,
        obj=mark or StoreMark(),
        after={
            "dump_sha256": manifest.dump_sha256,
            "files": manifest.file_count,
            "unsound": len(manifest.unsound),
            "began_at": manifest.began_at,
        },
        now=dt.datetime.fromisoformat(manifest.finished_at),
    )

"""Extensions are made on first mention: by an alert, a bundle, a record or a person."""

import datetime as dt
import hashlib
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import require_permission
from evidence.lookalikes import lookalike_key, show_hidden
from evidence.text import tidy_text
from policy.errors import PolicyConflict, PolicyRefused
from policy.models import Extension, ExtensionVersion
from policy.rules.extension_ids import ALLOWED_WORDS, is_plain_id
from policy.services.changes import WORK_POLICY, clean_text, record_change
from policy.services.concerned_cases import (
    lock_extension,
)
from policy.services.trust import hold_newcomer

EXTENSION_ID_LENGTH = 255
DIGEST_LENGTH = 16
SEEN_IN_LENGTH = 200
NAME_LENGTH = 255
NOTES_LENGTH = 20_000
VERSION_LENGTH = 100


def clean_extension_id(raw: str) -> str:
    """Return an extension ID as a column can hold it; equal input gives equal output.

    An ID that is too long keeps its start and gets a digest of the whole, so that two
    long ones stay apart.
    """
    text = tidy_text(raw)
    if len(text) <= EXTENSION_ID_LENGTH:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[: EXTENSION_ID_LENGTH - DIGEST_LENGTH - 1]}~{digest[:DIGEST_LENGTH]}"


@transaction.atomic
def note_extension(*, extension_id: str, seen_in: str, now: dt.datetime) -> Extension:
    """Return the extension of this ID, made where this is its first mention.

    Two writers that mention it at once get the same row. Note several in sorted
    order, so that writers cannot wait for each other in a circle. Where all extensions
    are stopped, a new one is quarantined at once.
    """
    cleaned = clean_extension_id(extension_id)
    known = Extension.objects.filter(extension_id=cleaned).first()
    if known is not None:
        return known
    new = Extension(
        extension_id=cleaned,
        lookalike_key=lookalike_key(cleaned),
        first_seen_at=now,
        first_seen_in=seen_in[:SEEN_IN_LENGTH],
    )
    # Not get_or_create: a lost race would break the transaction of a whole intake.
    Extension.objects.bulk_create([new], ignore_conflicts=True)
    noted = Extension.objects.get(extension_id=cleaned)
    if hold_newcomer(noted.pk, now=now):
        noted.refresh_from_db()
    return noted


def find_lookalikes(extension_id: str) -> list[Extension]:
    """Return the other extensions whose ID a reader could take for this one."""
    cleaned = clean_extension_id(extension_id)
    alike = Extension.objects.filter(lookalike_key=lookalike_key(cleaned))
    return list(alike.exclude(extension_id=cleaned))


def require_typed_ids(
    extension_ids: Iterable[str], *, field: str = "extension_ids"
) -> list[str]:
    """Return those of the IDs that a person typed which are new; refuse what is a slip.

    Every fault at once: an ID with what no ID has, and one that differs from a known
    one in what nobody sees. A known ID is taken whatever it looks like: the runtime
    named it so.
    """
    wanted = {clean_extension_id(text) for text in extension_ids}
    known = Extension.objects.filter(extension_id__in=wanted)
    new = sorted(wanted - set(known.values_list("extension_id", flat=True)) - {""})
    for extension_id in new:
        require_own_look(extension_id, field=field)
    odd = [extension_id for extension_id in new if not is_plain_id(extension_id)]
    if odd:
        names = "; ".join(f"“{show_hidden(extension_id)}”" for extension_id in odd)
        raise PolicyRefused(
            f"No extension is known as {names}, and a new ID has {ALLOWED_WORDS}. "
            "Choose a known one, or look at how the runtime writes it.",
            code="extension_id_invalid",
            field=field,
        )
    return new


def require_own_look(extension_id: str, *, field: str = "extension_id") -> None:
    """Refuse an ID that differs from a known one in what nobody sees.

    Case, hidden characters and look-alike letters do not count. For IDs that a person
    types; what the runtime names is noted as it is, and shown beside its look-alikes.
    """
    for known in find_lookalikes(extension_id):
        raise PolicyRefused(
            f"{show_hidden(extension_id)} looks like {known.shown_id}, which is "
            "known, and is another ID: they differ in case, hidden characters or "
            "look-alike letters only. Choose the known one; where you mean another, "
            "note it on the page of extensions first, and say so there.",
            code="extension_looks_alike",
            field=field,
        )


@transaction.atomic
def add_extension(
    *,
    extension_id: str,
    actor: User,
    name: str = "",
    publisher: str = "",
    is_another: bool = False,
    now: dt.datetime | None = None,
) -> Extension:
    """Note an extension by hand; refuse one that is known already.

    One that looks like a known one is refused too, unless the person says that it
    `is_another`: an attacker may well choose such an ID.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    cleaned = clean_extension_id(extension_id)
    if not cleaned:
        raise PolicyRefused(
            "The extension's ID is missing. Enter it.",
            code="extension_id_missing",
            field="extension_id",
        )
    if Extension.objects.filter(extension_id=cleaned).exists():
        raise PolicyConflict(
            f"{cleaned} is known already.", code="extension_known", field="extension_id"
        )
    if not is_another:
        require_typed_ids([cleaned], field="extension_id")
    extension = note_extension(
        extension_id=cleaned, seen_in=f"noted by {actor.get_username()}", now=moment
    )
    extension = lock_extension(extension.pk)
    extension.name = clean_text(name, length=NAME_LENGTH)
    extension.publisher = clean_text(publisher, length=NAME_LENGTH)
    extension.save(update_fields=["name", "publisher"])
    record_change(
        extension,
        action="extension.noted",
        actor=actor,
        now=moment,
        extensions=(extension,),
        after={"name": extension.name, "publisher": extension.publisher},
    )
    return extension


@transaction.atomic
def edit_extension(
    *,
    extension_pk: int,
    actor: User,
    name: str,
    publisher: str,
    notes: str,
    version: str = "",
    now: dt.datetime | None = None,
) -> Extension:
    """Change what is written about an extension; a version given is one more seen."""
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    extension = lock_extension(extension_pk)
    wanted = {
        "name": clean_text(name, length=NAME_LENGTH),
        "publisher": clean_text(publisher, length=NAME_LENGTH),
        "notes": clean_text(notes, length=NOTES_LENGTH),
    }
    before = {
        field: getattr(extension, field)
        for field, value in wanted.items()
        if getattr(extension, field) != value
    }
    seen = clean_text(version, length=VERSION_LENGTH)
    is_new = bool(seen) and note_version(extension, seen, now=moment)
    if not before and not is_new:
        return extension
    for field in before:
        setattr(extension, field, wanted[field])
    extension.save(update_fields=[*wanted])
    after = {field: wanted[field] for field in before}
    record_change(
        extension,
        action="extension.edited",
        actor=actor,
        now=moment,
        extensions=(extension,),
        before=before,
        after=after | ({"version": seen} if is_new else {}),
    )
    return extension


def note_version(extension: Extension, version: str, *, now: dt.datetime) -> bool:
    """Note that a version was seen; tell whether it is new."""
    _, created = ExtensionVersion.objects.get_or_create(
        extension=extension, version=version, defaults={"first_seen_at": now}
    )
    return created

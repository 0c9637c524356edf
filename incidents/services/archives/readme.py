"""What an archive says of itself to who opens it."""

from __future__ import annotations

from evidence.handling import Tlp
from evidence.models import Tombstone
from evidence.stored_moments import to_ms
from incidents.models import CaseArchive

README = """\
{mark}, {copy}
{mark} may be passed on {meaning}.

{reference}: {title}

This folder is the archive of a security incident's case: every piece of evidence as
it was received, the case's records, its postmortem, and the history of who did what.
It was made by {person} at {moment} ms since 1970 (UTC), as manifest.json says.

How to check it

  python3 verify_archive.py

in this folder, with Python 3.11 or newer and nothing installed; or give the ZIP as an
argument. It needs no network. `sha256sum -c SHA256SUMS` checks the bytes alone.

Two things make the answer worth more. Both have to come from somewhere else than this
folder:

  python3 verify_archive.py --key KEY --checkpoint FILE

KEY is the public key of the installation that made it, as somebody told you whom you
trust. FILE is a checkpoint of its history log that somebody kept: the archive's
history has to agree with it. Where the archive has no checkpoint of that size, ask
for a proof of consistency, and give both in one file.

Below timestamps/ are the time stamps (RFC 3161) of outside authorities, where any was
configured: over manifest.json, and over history/checkpoint.txt. They are not listed in
SHA256SUMS, since they are over what it is part of. With the authority's root
certificate, which you get from the authority, OpenSSL checks one:

  openssl ts -verify -data manifest.json -in timestamps/manifest-1.tsr -CAfile ROOT.pem

What is proved

- Bytes: every member is the one that was signed.
- Order: each stream of the history is whole up to its newest entry here.
- Age: what a checkpoint covers was written before that checkpoint was made.
- Evidence: what the reports say of bundles and ledgers is what is found anew.

What is not proved

- That what people wrote is true.
- Who sat at the keyboard: the history names accounts.
- That the newest entries are all there. A holder of the signing key can leave newer
  entries out of a stream down to one that has a proof of its own; only a checkpoint or
  head kept elsewhere shows that.
- Without --key: where the archive comes from. Its own keys prove only that it agrees
  with itself.
"""


INTERNAL = "INTERNAL COPY: nothing in it is redacted."
EXTERNAL = "EXTERNAL COPY: redacted."
REDACTED = """
What was taken out

manifest.json says which members are redacted (`redaction.flags`), which evidence was
left out because it cannot be redacted (`left_out`, by its SHA-256), and what else was
replaced where (`replaced`). Bundles are redacted copies, made anew from what was
received; of the history each entry's place and hash are here and not its content, and
no other stream. A redacted postmortem is not the text that was signed. Names of
accounts, times and what people wrote stay, but for what gives a redacted value away.
What the records say is not held against the history.
"""


PRUNED = """
What was pruned

Before this archive was made, bulky rows of the case were pruned: replays, which follow
from the bundles here, and documents of alerts, of which the hashes are here. Every one
has a tombstone in records/decisions.ndjson. Alerts' documents are in the archive that
was made before, with this SHA-256:

{archives}
"""


def write_readme(
    archive: CaseArchive, *, reference: str, title: str, made_by: str
) -> str:
    """Return README.txt of an archive; `title` is the case's, as it may stand there."""
    mark = Tlp(archive.own_tlp)
    redacted = REDACTED if archive.is_redacted else ""
    whole = README.format(
        mark=mark.label,
        meaning=mark.meaning,
        copy=EXTERNAL if archive.is_redacted else INTERNAL,
        reference=reference,
        title=title,
        person=made_by,
        moment=to_ms(archive.requested_at),
    )
    return whole + redacted + _say_pruned(archive)


def _say_pruned(archive: CaseArchive) -> str:
    """Return which archives have what was pruned before this one's moment."""
    stones = Tombstone.objects.filter(
        incident=archive.incident_id, pruned_at__lte=archive.requested_at
    )
    digests = stones.order_by("archive").values_list("archive_sha256_hex", flat=True)
    held = "\n".join(dict.fromkeys(digests))
    return PRUNED.format(archives=held) if held else ""

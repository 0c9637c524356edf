"""Lists the licences of what production installs: `make licences`, docs/licences.md.

Each package says its licence by itself, in one of three ways that have been in use.
What says none, or one that is in none of the lists here, is refused until a person has
read it.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata

from config.launcher.sbom import ROOT, read_locked

TARGET = ROOT / "docs" / "licences.md"
PREFIX = "License :: OSI Approved :: "
# By what packages write themselves; what stands behind it is SPDX.
ALLOWED = {
    "0BSD": "0BSD",
    "Apache-2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD-2-Clause": "BSD-2-Clause",
    "BSD-3-Clause": "BSD-3-Clause",
    "ISC": "ISC",
    "ISC License (ISCL)": "ISC",
    "LGPL-3.0-only": "LGPL-3.0-only",
    "MIT": "MIT",
    "MIT License": "MIT",
    "MIT-0": "MIT-0",
    "MIT-CMU": "MIT-CMU",
    "MPL-2.0": "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSF-2.0": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
# Read by a person: their metadata says nothing, or nothing that a list could hold.
READ = {
    "async-timeout": "Apache-2.0",
    "fido2": "BSD-2-Clause AND Apache-2.0 AND MPL-2.0",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "uritemplate": "BSD-3-Clause OR Apache-2.0",
}
HEAD = """# Licences

What production installs (requirements-s3.txt), and under which licence, in SPDX's
words. `make licences` writes this list; `tests/config/test_licences.py` refuses a
package whose licence is none of those that `config/launcher/licences.py` allows, and a
list that is not current. Casefile itself is under MIT ([LICENSE](../LICENSE)).

Libraries under LGPL and MPL are used unchanged, as packages of their own.

| package | version | licence |
|---|---|---|
"""


class UnknownLicence(ValueError):
    """A package whose licence nobody allowed yet."""


def find_licence(name: str) -> str:
    """Return a package's licence as SPDX has it. Raise UnknownLicence for another."""
    if name in READ:
        return READ[name]
    try:
        about = metadata(name)
    except PackageNotFoundError:
        raise UnknownLicence(f"{name} is not installed: make install") from None
    for stated in _statements(about):
        if stated in ALLOWED:
            return ALLOWED[stated]
        parts = re.split(r"(\s+(?:OR|AND)\s+|[()])", stated)
        if all(part in ALLOWED for part in parts[::2] if part):
            return "".join(ALLOWED.get(part, part) for part in parts)
    raise UnknownLicence(f"{name}: {[*_statements(about)]} is not allowed yet")


def _statements(about: PackageMetadata) -> list[str]:
    """Return what a package says of its licence, the newest way first."""
    named = [
        line.removeprefix(PREFIX)
        for line in about.get_all("Classifier") or []
        if line.startswith(PREFIX)
    ]
    written = [about[key] for key in ("License-Expression", "License") if key in about]
    return [stated for stated in (*written, " AND ".join(named)) if stated]


def write_list() -> str:
    """Return the text of docs/licences.md."""
    rows = [
        f"| {name} | {version} | {find_licence(name)} |\n"
        for name, (version, _) in sorted(read_locked().items())
    ]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    try:
        TARGET.write_text(write_list())
    except UnknownLicence as error:
        sys.exit(str(error))

"""Writes what production is made of, as CycloneDX: `make sbom` (ARGS=path).

cyclonedx-py tells what is installed, with licences and what needs what. Of that stays
what requirements-s3.txt locks: no tools. Each component gets the hashes that it is
installed by; what is locked for other Pythons is named too. The whole is checked by
CycloneDX's schema before it is written.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LOCKED = "requirements-s3.txt"
DEFAULT = ROOT / ".artifacts" / "sbom.cdx.json"
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
Document = dict[str, Any]


def normalize(name: str) -> str:
    """Return a package's name as every index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_locked(name: str = LOCKED) -> dict[str, tuple[str, list[str]]]:
    """Return version and SHA-256 of all files, by package."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line and line.lstrip()[0] != "#":
            entry = Requirement(line.partition("--hash")[0])
            (specifier,) = entry.specifier
            found[normalize(entry.name)] = (specifier.version, HASH.findall(line))
    return found


def make_sbom() -> Document:
    """Return the document. Raise ValueError where it breaks CycloneDX's schema."""
    document = _read_installed()
    locked = read_locked()
    components = [
        _with_hashes(component, locked)
        for component in document["components"]
        if normalize(component["name"]) in locked
    ]
    here = {normalize(component["name"]) for component in components}
    components += [
        _name_only(name, version, hashes)
        for name, (version, hashes) in sorted(locked.items())
        if name not in here
    ]
    document["components"] = components
    kept = {component["bom-ref"] for component in components}
    root = document["metadata"]["component"]["bom-ref"]
    document["dependencies"] = [
        _narrow(entry, kept)
        for entry in document["dependencies"]
        if entry["ref"] in kept | {root}
    ]
    require_valid(document)
    return document


def _read_installed() -> Document:
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--of", "JSON"]
    # What stays of it is validated by make_sbom; the whole takes half a minute.
    command += ["--output-reproducible", "--no-validate"]
    command += ["--pyproject", str(ROOT / "pyproject.toml")]
    told = subprocess.run(
        [*command, "--sv", "1.6", sys.executable], capture_output=True, check=True
    )
    read: Document = json.loads(told.stdout)
    return read


def _with_hashes(
    component: Document, locked: dict[str, tuple[str, list[str]]]
) -> Document:
    """Add the hashes of the lock. A place that something came from is left out."""
    version, hashes = locked[normalize(component["name"])]
    if component["version"] != version:
        raise ValueError(f"{component['name']} is not what is locked: make install")
    kept = {key: component[key] for key in component if key != "externalReferences"}
    return {**kept, "hashes": _write_hashes(hashes)}


def _name_only(name: str, version: str, hashes: list[str]) -> Document:
    """Return a component for other Pythons: it is not installed here to be asked."""
    purl = f"pkg:pypi/{name}@{version}"
    return {
        "bom-ref": f"{name}=={version}",
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": _write_hashes(hashes),
    }


def _write_hashes(hashes: list[str]) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": content} for content in hashes]


def _narrow(entry: Document, kept: set[str]) -> Document:
    needed = [ref for ref in entry.get("dependsOn", []) if ref in kept]
    narrowed: Document = {"ref": entry["ref"]}
    return {**narrowed, "dependsOn": needed} if needed else narrowed


def require_valid(document: Document) -> None:
    """Raise ValueError unless a document is CycloneDX 1.6, by its schema."""
    # A tool for development: production has no use for it.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    if error:
        raise ValueError(f"This is no valid CycloneDX: {str(error)[:500]}")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else DEFAULT
    made = make_sbom()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(made, indent=1) + "\n")
    print(f"{target}: CycloneDX 1.6, {len(made['components'])} components")

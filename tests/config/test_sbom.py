"""`make sbom`: valid, whole, without tools, with the hashes of what is installed."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.launcher.folders import ROOT
from config.launcher.sbom import make_sbom, normalize, read_locked, require_valid

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path: Path = tmp_path_factory.mktemp("sbom") / "sbom.cdx.json"
    command = [sys.executable, "-m", "config.launcher.sbom", str(path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    made: dict[str, Any] = json.loads(path.read_text())
    return made


def test_sbom_is_valid_and_names_its_version(sbom: dict[str, Any]) -> None:
    require_valid(sbom)
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    assert sbom["metadata"]["component"]["name"] == "casefile"


def test_document_that_breaks_the_schema_is_refused(sbom: dict[str, Any]) -> None:
    broken = {**sbom, "components": [{"type": "no such type", "name": "x"}]}
    with pytest.raises(ValueError, match="no valid CycloneDX"):
        require_valid(broken)


def test_components_are_what_is_locked_with_its_hashes(sbom: dict[str, Any]) -> None:
    found = {
        normalize(entry["name"]): (
            entry["version"],
            [value["content"] for value in entry["hashes"]],
        )
        for entry in sbom["components"]
    }
    assert found == read_locked()
    assert "pytest" not in found


def test_every_installed_component_names_its_licence(sbom: dict[str, Any]) -> None:
    bare = {entry["name"] for entry in sbom["components"] if not entry.get("licenses")}
    # The second is for Pythons before 3.11.3 only.
    assert bare <= {"uritemplate", "async-timeout"}


def test_dependencies_lead_to_components(sbom: dict[str, Any]) -> None:
    refs = {entry["bom-ref"] for entry in sbom["components"]}
    named = {
        ref for entry in sbom["dependencies"] for ref in entry.get("dependsOn", [])
    }
    assert len(named) > 50
    assert named <= refs


def test_sbom_names_no_place_of_the_machine_that_made_it(sbom: dict[str, Any]) -> None:
    text = json.dumps({key: sbom[key] for key in ("components", "dependencies")})
    assert "file:" not in text
    assert str(ROOT) not in text
    assert not re.search(r"\"distribution|index-url", text)


def test_sbom_is_the_same_when_made_again(sbom: dict[str, Any]) -> None:
    assert make_sbom() == sbom

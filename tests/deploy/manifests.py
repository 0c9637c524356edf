"""What deploy/kubernetes says: resources, settings, and whether the schemas fit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from config.launcher.folders import ROOT

BASE = ROOT / "deploy/kubernetes/base"
EXAMPLE = ROOT / "deploy/kubernetes/example"
VERSIONS = ("1.30", "1.34", "1.37")
"""Of Kubernetes: the oldest with all that is used, one between, the newest known."""
BUILDERS = (("kustomize", "build"), ("kubectl", "kustomize"))
Resource = dict[str, Any]


def read_kustomization(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return found


def read_resources(folder: Path) -> list[Resource]:
    """Return every resource of the files that the kustomization lists."""
    files = [
        folder / name
        for name in read_kustomization(folder)["resources"]
        if name.endswith(".yaml")
    ]
    return [
        resource for file in files for resource in yaml.safe_load_all(file.read_text())
    ]


def read_settings() -> dict[str, str]:
    """Return the settings of a pod, as the example adds them to the base's."""
    lines = [
        line
        for folder in (BASE, EXAMPLE)
        for made in read_kustomization(folder)["configMapGenerator"]
        for line in made["literals"]
    ]
    return dict(line.split("=", 1) for line in lines)


def read_pods() -> dict[str, dict[str, Any]]:
    """Return the pods by the name of what makes them."""
    return {
        resource["metadata"]["name"]: resource["spec"]["template"]["spec"]
        for resource in read_resources(BASE)
        if resource["kind"] in ("Deployment", "Job")
    }


def build() -> str | None:
    """Return what the example makes; None where there is no kustomize."""
    words = next((words for words in BUILDERS if shutil.which(words[0])), None)
    if words is None:
        return None
    done = subprocess.run([*words, EXAMPLE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_manifests() -> str:
    """Hold every resource against the schemas, strictly; return what was checked.

    Raise AssertionError with what does not fit, ModuleNotFoundError where
    requirements-manifests.txt is not installed.
    """
    import kubernetes_validate

    built = build()
    held = [*read_resources(BASE), *read_resources(EXAMPLE)]
    if built is not None:
        held += yaml.safe_load_all(built)
    for version in VERSIONS:
        for resource in held:
            try:
                kubernetes_validate.validate(resource, version, strict=True)
            except kubernetes_validate.ValidationError as fault:
                name = f"{resource['kind']} {resource['metadata']['name']}"
                raise AssertionError(f"{name}, {version}: {fault}") from None
    how = "built by kustomize, too" if built else "not built: there is no kustomize"
    return f"{len(held)} resources fit Kubernetes {', '.join(VERSIONS)}; {how}"

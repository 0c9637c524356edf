"""Every package's licence is known and allowed, and the list of them is current."""

import pytest

from config.launcher.licences import TARGET, UnknownLicence, find_licence, write_list
from config.launcher.sbom import read_locked


def test_list_of_licences_is_current_and_each_is_allowed() -> None:
    assert TARGET.read_text() == write_list()


def test_list_has_every_package_of_production() -> None:
    text = TARGET.read_text()
    for name, (version, _) in read_locked().items():
        assert f"| {name} | {version} | " in text


@pytest.mark.parametrize(
    "name",
    [
        "axe-playwright-python",  # says no licence that is on the list, or none at all
        "no-such-package-anywhere",
    ],
)
def test_licence_that_nobody_allowed_is_refused(name: str) -> None:
    with pytest.raises(UnknownLicence, match=name):
        find_licence(name)

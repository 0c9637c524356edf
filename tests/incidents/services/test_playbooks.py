"""Loading playbooks: content decides what is a version."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from evidence.accounts.access import Role
from evidence.errors import PermissionRefused
from incidents.errors import PlaybookRefused
from incidents.models import PlaybookVersion
from incidents.services.playbooks import BUILT_IN_FOLDER, load_folder
from tests.factories import make_incident, make_playbooks, make_user

pytestmark = pytest.mark.django_db


def test_six_playbooks_are_built_in():
    assert sorted(make_playbooks()) == [f"INC-{number}" for number in range(1, 7)]


def test_same_content_again_changes_nothing():
    make_playbooks()
    assert not any(loaded.is_new for loaded in load_folder(BUILT_IN_FOLDER, actor=None))
    assert PlaybookVersion.objects.count() == 6


def test_other_content_is_a_new_version_and_cases_keep_theirs(tmp_path):
    incident = make_incident(playbook="INC-2")
    text = (BUILT_IN_FOLDER / "inc-2.yaml").read_text()
    (tmp_path / "inc-2.yaml").write_text(text.replace("300", "240"))
    (loaded,) = load_folder(tmp_path, actor=None)
    assert (loaded.is_new, loaded.version.number) == (True, 2)
    incident.refresh_from_db()
    assert incident.playbook_version.number == 1
    newer = make_incident(playbook_version=loaded.version)
    assert newer.current_cycle.phases.get(phase="contain").target_seconds == 240


def test_one_bad_file_loads_none_and_is_named(tmp_path):
    text = (BUILT_IN_FOLDER / "inc-1.yaml").read_text()
    (tmp_path / "a.yaml").write_text(text.replace("INC-1", "TEAM-1"))
    (tmp_path / "b.yaml").write_text("code: 1\n")
    with pytest.raises(PlaybookRefused, match=r"b\.yaml: \$\.code"):
        load_folder(tmp_path, actor=None)
    assert not PlaybookVersion.objects.exists()


def test_command_loads_built_in_and_own_folders(tmp_path, settings, capsys):
    text = (BUILT_IN_FOLDER / "inc-1.yaml").read_text()
    (tmp_path / "team.yaml").write_text(text.replace("code: INC-1", "code: TEAM-1"))
    settings.PLAYBOOK_FOLDERS = [str(tmp_path)]
    call_command("load_playbooks")
    assert "TEAM-1 version 1: loaded" in capsys.readouterr().out
    call_command("load_playbooks")
    assert "TEAM-1 version 1: unchanged" in capsys.readouterr().out


def test_command_refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CommandError, match="There is no folder"):
        call_command("load_playbooks", str(tmp_path / "missing"))


@pytest.mark.parametrize("role", [Role.RESPONDER, Role.AUDITOR, None])
def test_only_an_administrator_loads_playbooks(role):
    with pytest.raises(PermissionRefused):
        load_folder(BUILT_IN_FOLDER, actor=make_user(role))

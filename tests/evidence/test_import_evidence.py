import pytest
from django.core.management import CommandError, call_command

from evidence.models import Channel, EvidenceItem
from tests.evidence.helpers import read_vector
from tests.factories import make_incident


@pytest.fixture
def folder(tmp_path):
    for name in ("plain", "refused-truncated", "ledger-plain"):
        (tmp_path / f"{name}.json").write_bytes(read_vector(name))
    return tmp_path


def test_files_become_evidence_of_the_incident(db, folder, responder, capsys):
    incident = make_incident()
    call_command(
        "import_evidence",
        str(folder / "plain.json"),
        str(folder / "ledger-plain.json"),
        f"--incident={incident.reference}",
        "--as=responder",
    )
    items = EvidenceItem.objects.filter(incident=incident)
    assert {item.kind for item in items} == {"bundle", "ledger"}
    assert {item.received_by for item in items} == {responder}
    assert {item.channel for item in items} == {Channel.COMMAND}
    assert "received as item" in capsys.readouterr().out


def test_refused_file_is_named_and_the_others_are_kept(db, folder, capsys):
    incident = make_incident()
    files = [str(folder / f"{name}.json") for name in ("refused-truncated", "plain")]
    with pytest.raises(CommandError, match="Refused: 1 of 2 files"):
        call_command("import_evidence", *files, f"--incident={incident.reference}")
    assert "not a readable evidence bundle" in capsys.readouterr().err
    assert EvidenceItem.objects.get().original_name == "plain.json"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--incident=SEC-INC-1999-0001"], "There is no case"),
        (["--incident={reference}", "--as=nobody"], "There is no user nobody"),
    ],
)
def test_unknown_incident_or_user_is_named(db, folder, options, message):
    reference = make_incident().reference
    with pytest.raises(CommandError, match=message):
        call_command(
            "import_evidence",
            str(folder / "plain.json"),
            *(option.format(reference=reference) for option in options),
        )


def test_who_may_not_add_evidence_cannot_import_it(db, folder, auditor, capsys):
    with pytest.raises(CommandError):
        call_command(
            "import_evidence",
            str(folder / "plain.json"),
            f"--incident={make_incident().reference}",
            "--as=auditor",
        )
    assert "add evidence item" in capsys.readouterr().err

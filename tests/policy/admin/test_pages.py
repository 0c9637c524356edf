"""The policy pages: who sees what, what the buttons do, and what they cost."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from policy.models import (
    KillSwitch,
    PolicySnapshot,
    Rollback,
    RollbackState,
    ScanRequest,
)
from tests.conftest import make_user
from tests.policy.explaining import explain_settings
from tests.policy.samples import PERMISSIVE, make_extension, take
from tests.policy.world import World, make_world
from tests.shared import share
from tests.suites import leave_slow

pytestmark = pytest.mark.long


def make_shared() -> World:
    return make_world(make_user("responder", "responder"))


_kept, world, _django_db_helper, evidence_folder = share(make_shared)


@pytest.fixture
def responder(world: World) -> User:
    return User.objects.get(username="responder")


LISTS = (
    "extension",
    "killswitch",
    "policysnapshot",
    "rollback",
    "scanreport",
    "runtimehistoryimport",
    "trusttransition",
    "promotionrequest",
    "liftrequest",
    "quotachange",
    "quotabreach",
)


def pages_of(world: World) -> dict[str, str]:
    objects = {
        "extension": world.extension,
        "killswitch": world.switch,
        "policysnapshot": world.snapshot,
        "rollback": world.rollback,
        "scanreport": world.scan,
        "runtimehistoryimport": world.history,
    }
    pages = {
        name: reverse(f"admin:policy_{name}_change", args=[row.pk])
        for name, row in objects.items()
    }
    pair = [world.earlier.pk, world.snapshot.pk]
    pages["compare"] = reverse("admin:policy_policysnapshot_compare", args=pair)
    pages["trust"] = reverse("admin:policy_extension_trust")
    case = reverse("admin:incidents_incident_change", args=[world.incident.pk])
    pages["tab"] = f"{case}?tab=policy"
    pages["killswitches"] = reverse("admin:policy_killswitch_changelist")
    return pages


# `tests/access` states of every page which roles read it.
@pytest.mark.parametrize(
    "role",
    leave_slow(
        ("responder", "auditor", "reviewer", "administrator"),
        *("reviewer", "administrator"),
    ),
)
def test_every_human_role_reads_every_page(
    world: World, role: str, request: pytest.FixtureRequest, client: Client
) -> None:
    client.force_login(request.getfixturevalue(role))
    urls = [*pages_of(world).values()]
    urls += [reverse(f"admin:policy_{name}_changelist") for name in LISTS]
    for url in urls:
        assert client.get(url).status_code == 200, url


def test_an_outsider_reads_none(world: World, outsider: User, client: Client) -> None:
    client.force_login(outsider)
    for url in pages_of(world).values():
        assert client.get(url).status_code in (403, 404), url


def test_an_auditor_has_no_button_and_no_way_past_it(
    world: World, auditor: User, client: Client
) -> None:
    client.force_login(auditor)
    for name, url in pages_of(world).items():
        html = client.get(url).content.decode()
        if name != "policysnapshot":
            assert "cf-panel" not in html, name
    for model, pk, action in [
        ("extension", world.extension.pk, "demote"),
        ("killswitch", world.switch.pk, "approve"),
        ("rollback", world.rollback.pk, "approve"),
        ("scanreport", world.scan.pk, "again"),
    ]:
        url = reverse(f"admin:policy_{model}_do", args=[pk, action])
        assert client.post(url, {"reason": "I try."}).status_code == 403
    for name in ("extension", "policysnapshot", "scanreport", "runtimehistoryimport"):
        assert client.get(reverse(f"admin:policy_{name}_add")).status_code == 403


def test_the_extension_page_shows_what_is_known(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    html = client.get(pages_of(world)["extension"]).content.decode()
    for text in (
        "Quarantined",
        "Kill ordered, not confirmed",
        "bundle.json",
        "Risk score over time",
        world.incident.reference,
        "256 MB → 128 MB",
        "asks for a promotion",
        "Policy in force",
    ):
        assert text in html, text


def test_the_state_at_a_past_moment_is_asked_on_the_page(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    url = pages_of(world)["extension"]
    html = client.get(url, {"at": "2020-01-01 00:00"}).content.decode()
    assert "Unknown" in html.split("Show</button>")[1][:600]
    assert "Write a moment as 2026" in client.get(url, {"at": "soon"}).content.decode()


def test_the_kill_switch_page_shows_command_patch_and_what_is_missing(
    world: World, reviewer: User, client: Client
) -> None:
    client.force_login(reviewer)
    html = client.get(pages_of(world)["killswitch"]).content.decode()
    assert "pi --explain-extension-policy" in html
    assert "perExtension" in html
    assert "Ordered, not confirmed" in html
    assert "has not reached REMEDIATE" in html


def test_a_refusal_stays_on_the_page_with_what_was_typed(
    world: World, responder: User, reviewer: User, client: Client
) -> None:
    client.force_login(reviewer)
    url = reverse("admin:policy_killswitch_do", args=[world.switch.pk, "approve"])
    response = client.post(url, {"exception": ""})
    assert response.status_code == 200
    assert "has not reached REMEDIATE" in response.content.decode()
    url = reverse("admin:policy_rollback_do", args=[world.rollback.pk, "decline"])
    response = client.post(url, {"reason": ""})
    assert response.status_code == 200
    assert "This field is required" in response.content.decode()


def test_the_snapshot_page_names_paths_and_hides_secrets(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    html = client.get(pages_of(world)["policysnapshot"]).content.decode()
    assert "$.apiKey" in html
    assert "$.extensionRisk.colour" in html
    assert "a1b2a1b2" not in html
    assert "No explanation was given" in html


def test_a_page_of_a_hostile_snapshot_stays_short_and_says_what_it_leaves_out(
    world: World, responder: User, client: Client
) -> None:
    """250,000 members that nobody knows made a page of 74 MB."""
    risk = {f"odd{number}": 1 for number in range(300)}
    keys = {f"api_key_{number}": f"sk-{number:032}" for number in range(300)}
    snapshot = take(world.incident, {"extensionRisk": risk} | keys, actor=responder)
    assert (len(snapshot.unknown), len(snapshot.redactions)) == (300, 300)
    client.force_login(responder)
    url = reverse("admin:policy_policysnapshot_change", args=[snapshot.pk])
    html = client.get(url).content.decode()
    assert html.count("Kept, and not judged.") == 200
    assert "…and 100 more unknown members, which are not listed here." in html
    assert "…and 100 more redacted places, which are not listed here." in html


def test_a_comparison_says_what_the_change_does(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    html = client.get(pages_of(world)["compare"]).content.decode()
    assert "exec: deny → allow for all extensions" in html


def test_a_snapshot_is_taken_by_upload_and_by_paste(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    url = reverse("admin:policy_policysnapshot_add")
    before = PolicySnapshot.objects.count()
    file = SimpleUploadedFile("settings.json", b'{"extensionPolicy": {}}')
    case = {"incident": world.incident.pk}
    assert client.post(url, {**case, "settings_file": file}).status_code == 302
    pasted = {**case, "settings_text": '{\r\n"extensionPolicy": {}}'}
    assert client.post(url, pasted).status_code == 302
    assert PolicySnapshot.objects.count() == before + 2
    broken = client.post(url, {**case, "settings_text": '{"a": 1, "a": 2}'})
    assert broken.status_code == 200
    assert "$.a" in broken.content.decode()
    assert client.post(url, case).status_code == 200


def test_a_source_is_uploaded_and_its_scan_queued(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    file = SimpleUploadedFile("other.js", b"require('vm')")
    url = reverse("admin:policy_scanreport_add")
    response = client.post(url, {"incident": world.incident.pk, "file": file})
    assert response.status_code == 302
    assert ScanRequest.objects.filter(item__original_name="other.js").exists()


def test_the_scan_page_answers_what_was_missed(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    html = client.get(pages_of(world)["scanreport"]).content.decode()
    assert "Pattern to add" in html
    assert "Regression test" in html
    assert "index.js:2" in html
    filtered = client.get(pages_of(world)["scanreport"], {"show": "safe"})
    assert "index.js:2:" not in filtered.content.decode()


def test_a_record_is_imported_and_listed(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    url = reverse("admin:policy_runtimehistoryimport_add")
    line = b'{"extension":"e","from":"quarantined","to":"trusted","time":5}'
    file = SimpleUploadedFile("h.jsonl", line)
    response = client.post(
        url, {"incident": world.incident.pk, "file": file}, follow=True
    )
    assert "quarantine escape" in response.content.decode()


def test_kill_switches_are_exported_safely(
    world: World, auditor: User, client: Client
) -> None:
    KillSwitch.objects.create(
        scope="all",
        reason="=cmd|' /C calc'!A0",
        incident=world.incident,
        ordered_at=world.switch.ordered_at,
        ordered_by=world.switch.ordered_by,
    )
    client.force_login(auditor)
    text = client.get(reverse("admin:policy_killswitch_export", args=["csv"]))
    rows = list(csv.DictReader(io.StringIO(text.content.decode("utf-8-sig"))))
    assert {row["event"] for row in rows} == {"activated"}
    assert any(row["reason"].startswith("'=cmd") for row in rows)
    url = reverse("admin:policy_killswitch_export", args=["json"])
    events = json.loads(client.get(url, {"scope__exact": "all"}).content)
    assert [event["scope"] for event in events] == ["all"]


def test_the_audit_view_offers_its_export_under_the_same_filters(
    world: World, auditor: User, client: Client
) -> None:
    client.force_login(auditor)
    url = reverse("admin:policy_killswitch_changelist")
    html = client.get(url, {"state": "active"}).content.decode()
    assert (
        f"{reverse('admin:policy_killswitch_export', args=['csv'])}?state=active"
        in html
    )


def test_a_rollback_is_not_approved_by_who_proposed_it(
    world: World, responder: User, client: Client
) -> None:
    responder.is_superuser = True
    responder.save()
    client.force_login(responder)
    url = reverse("admin:policy_rollback_do", args=[world.rollback.pk, "approve"])
    assert client.post(url, {}).status_code == 200
    world.rollback.refresh_from_db()
    assert world.rollback.state == RollbackState.PROPOSED


def press(client: Client, rollback: Rollback, action: str, **data: object) -> None:
    url = reverse("admin:policy_rollback_do", args=[rollback.pk, action])
    assert client.post(url, data).status_code == 302
    rollback.refresh_from_db()


def test_a_rollbacks_page_shows_every_proof_and_closes_it(
    world: World, responder: User, reviewer: User, client: Client
) -> None:
    client.force_login(reviewer)
    press(client, world.rollback, "approve", reason="")
    client.force_login(responder)
    permissive = explain_settings(PERMISSIVE)
    for explanation in (permissive, None):
        proof = take(world.incident, PERMISSIVE, explanation=explanation)
        press(client, world.rollback, "apply", proof=proof.pk, output="see above")
    page = reverse("admin:policy_rollback_change", args=[world.rollback.pk])
    html = client.get(page).content.decode()
    assert html.count("Not as planned:") == 2
    assert "An earlier proof" in html
    assert "own explanation was not given" in html
    assert "Close without verification" in html
    press(client, world.rollback, "close", reason="Another plan replaces it.")
    html = client.get(page).content.decode()
    assert "Another plan replaces it." in html
    assert html.count("Not as planned:") == 2
    assert world.rollback.state == RollbackState.CLOSED


def test_a_proposal_is_withdrawn_on_its_page(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    press(client, world.rollback, "withdraw", reason="")
    assert world.rollback.state == RollbackState.WITHDRAWN


def test_hidden_and_missing_give_the_same_answer(
    world: World, responder: User, client: Client
) -> None:
    client.force_login(responder)
    for pk in ("999999", "abc", "9" * 40, "²"):
        url = reverse("admin:policy_killswitch_changelist") + f"{pk}/change/"
        assert client.get(url).status_code == 404


def count_queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", ["extension", "killswitch", "policysnapshot"])
def test_lists_cost_the_same_however_long(
    world: World, auditor: User, client: Client, name: str
) -> None:
    client.force_login(auditor)
    url = reverse(f"admin:policy_{name}_changelist")
    first = count_queries(client, url)
    for number in range(5):
        make_extension(f"ext.n{number}")
        KillSwitch.objects.create(
            scope="all",
            reason="r",
            incident=world.incident,
            ordered_at=world.switch.ordered_at,
            ordered_by=make_user(f"p{number}"),
        )
        PolicySnapshot.objects.create(
            incident=world.incident,
            settings_item=world.snapshot.settings_item,
            captured_at=world.snapshot.captured_at,
            taken_at=world.snapshot.taken_at,
            document={},
        )
    assert count_queries(client, url) <= first


def test_the_extension_page_costs_a_bounded_number_of_queries(
    world: World, auditor: User, client: Client
) -> None:
    client.force_login(auditor)
    assert count_queries(client, pages_of(world)["extension"]) <= 41

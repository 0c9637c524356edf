"""What every page of a case full of things says about times, and in which words."""

from __future__ import annotations

import html
import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch, reverse

from evidence.accounts.readers import set_reader_zone
from evidence.models import AuditEntry, EvidenceItem, EvidenceKind
from tests.conftest import make_user
from tests.policy.admin.conftest import World

pytestmark = pytest.mark.django_db

DAY = r"\d{4}-\d\d-\d\d"
ZONED = re.compile(
    r"\s*(?:UTC|CET|CEST|NZDT|NZST)\b|\s*[+-]\d\d:\d\d|Z\b|\.\d+(?:Z|[+-])"
)
CLOCK = re.compile(r"(?<![+-])\b\d{1,2}:\d\d(?::\d\d)?\b")
MONTHS = re.compile(
    r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|March|April|June|July|Aug(?:ust)?|"
    r"Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.? \d|[ap]\.m\."
)
EPOCH = re.compile(r"\b1[5-9]\d{11}\b")
TABS = (
    "checklist",
    "timeline",
    "evidence",
    "alerts",
    "policy",
    "postmortem",
    "history",
)
VIEWS = ("overview", "ledger", "replay", "errors", "custody", "exports", "content")
# What people and machines sent is shown as they sent it.
AS_SENT = re.compile(r"<(pre|textarea|script|style|option)\b.*?</\1>", re.S)
PARTS_OF_TIMES = re.compile(r"<input[^>]*>|placeholder=\S+")


def addresses(world: World) -> list[str]:
    """Return every list and every page that the world has a row for."""
    case = reverse("admin:incidents_incident_change", args=[world.incident.pk])
    bundle = EvidenceItem.objects.filter(kind=EvidenceKind.BUNDLE).first()
    assert bundle is not None
    item = reverse("admin:evidence_evidenceitem_change", args=[bundle.pk])
    found = [reverse("admin:index"), *(f"{case}?tab={tab}" for tab in TABS)]
    found += [f"{item}?view={view}" for view in VIEWS]
    for name in ("incident_metrics", "incident_my_items", "notification_preferences"):
        found.append(reverse(f"admin:incidents_{name}"))
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        try:
            found.append(reverse(f"{name}_changelist"))
        except NoReverseMatch:
            continue
        row = model._default_manager.first()
        if row is not None:
            found.append(reverse(f"{name}_change", args=[row.pk]))
    return found


def read(client: Client, address: str) -> str:
    """Return a page's own words; nothing where it is not for this person."""
    answer = client.get(address)
    if answer.status_code != 200:
        return ""
    text = PARTS_OF_TIMES.sub("", AS_SENT.sub("", answer.content.decode()))
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)))


def clocks_without_zone(text: str) -> list[str]:
    found = []
    for match in CLOCK.finditer(text):
        if not ZONED.match(text, match.end()):
            found.append(text[max(0, match.start() - 30) : match.end() + 15])
    return found


@pytest.mark.walk
@pytest.mark.parametrize(
    "zone",
    [pytest.param("Europe/Berlin", marks=pytest.mark.slow), "Pacific/Auckland"],
)
def test_every_time_on_every_page_is_iso_with_24_hours_and_its_zone(
    world: World, client: Client, administrator: User, zone: str
) -> None:
    # Somebody who sees everything there is.
    make_user("root", "administrator")
    User.objects.filter(username="root").update(is_superuser=True)
    root = User.objects.get(username="root")
    set_reader_zone(actor=root, time_zone=zone)
    client.force_login(root)
    faults = {}
    for address in addresses(world):
        text = read(client, address)
        wrong = [
            *clocks_without_zone(text),
            *MONTHS.findall(text),
            *EPOCH.findall(text),
        ]
        if wrong:
            faults[address] = wrong[:5]
    assert not faults, "\n".join(f"{at}: {said}" for at, said in faults.items())


def test_a_page_shows_times_in_the_readers_zone_and_utc_on_hover(
    world: World, client: Client, responder: User
) -> None:
    set_reader_zone(actor=responder, time_zone="Asia/Tokyo")
    client.force_login(responder)
    case = reverse("admin:incidents_incident_change", args=[world.incident.pk])
    answer = client.get(case).content.decode()
    moment = world.incident.detected_at
    assert f'title="{moment:%Y-%m-%d %H:%M:%S} UTC"' in answer
    assert re.search(rf"{DAY} \d\d:\d\d:\d\d JST</time>", answer)


def test_without_a_setting_the_browsers_zone_counts(
    world: World, client: Client, responder: User
) -> None:
    client.force_login(responder)
    client.cookies["casefile_zone"] = "America%2FNew_York"
    answer = client.get(reverse("admin:evidence_evidenceitem_changelist"))
    assert re.search(r"\d\d:\d\d:\d\d E[SD]T</time>", answer.content.decode())


def test_a_browser_that_names_no_zone_reads_utc(
    world: World, client: Client, responder: User
) -> None:
    client.force_login(responder)
    for name in ("", "Europe", "../../etc/passwd", "%00", "x" * 5_000):
        client.cookies["casefile_zone"] = name
        answer = client.get(reverse("admin:evidence_evidenceitem_changelist"))
        assert answer.status_code == 200
        assert re.search(r"\d\d:\d\d:\d\d UTC</time>", answer.content.decode())


def test_a_person_sets_their_zone_on_a_page_of_their_own(
    client: Client, responder: User
) -> None:
    client.force_login(responder)
    page = reverse("admin:auth_user_settings")
    assert "My browser" in client.get(page).content.decode()
    client.post(page, {"time_zone": "Europe/Berlin"}, follow=True)
    responder.refresh_from_db()
    assert responder.reader_settings.time_zone == "Europe/Berlin"
    entry = AuditEntry.objects.get(action="reader_settings.changed")
    assert entry.after == {"time_zone": "Europe/Berlin"}


def test_a_zone_that_is_none_is_refused_and_changes_nothing(
    client: Client, responder: User
) -> None:
    client.force_login(responder)
    answer = client.post(reverse("admin:auth_user_settings"), {"time_zone": "Europe"})
    assert answer.status_code == 200
    assert not AuditEntry.objects.filter(action="reader_settings.changed").exists()

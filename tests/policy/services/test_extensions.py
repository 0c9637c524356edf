"""Extensions noted by hand, and IDs that look like a known one."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from policy.errors import PolicyRefused
from policy.models import Extension
from policy.services.extensions import (
    add_extension,
    find_lookalikes,
    note_extension,
)
from tests.factories import NOON

pytestmark = pytest.mark.django_db
ALIKE = [
    "EXT.Weather",
    "ext.we\u0430ther",
    "ext.weather\u200b",
    "\u202eext.weather",
    "ext.weather\u3164",
    "ｅｘｔ．weather",
]


@pytest.fixture
def weather(db: None) -> Extension:
    return note_extension(extension_id="ext.weather", seen_in="a test", now=NOON)


@pytest.mark.parametrize("extension_id", ALIKE, ids=ascii)
def test_an_id_that_looks_like_a_known_one_is_refused(
    weather: Extension, responder: User, extension_id: str
) -> None:
    with pytest.raises(PolicyRefused, match=r"looks like ext\.weather") as caught:
        add_extension(extension_id=extension_id, actor=responder)
    assert caught.value.code == "extension_looks_alike"
    assert list(Extension.objects.all()) == [weather]


def test_the_refusal_shows_what_is_hidden(weather: Extension, responder: User) -> None:
    with pytest.raises(PolicyRefused, match="⟨U\\+200B⟩"):
        add_extension(extension_id="ext.weather\u200b", actor=responder)


def test_who_means_another_says_so(weather: Extension, responder: User) -> None:
    made = add_extension(extension_id="EXT.weather", actor=responder, is_another=True)
    assert find_lookalikes("EXT.weather") == [weather]
    assert find_lookalikes("ext.weather") == [made]


def test_another_id_is_noted(weather: Extension, responder: User) -> None:
    add_extension(extension_id="ext.whether", actor=responder)
    assert find_lookalikes("ext.whether") == []


def test_the_page_refuses_with_the_form_filled(
    weather: Extension, responder: User, client: Client
) -> None:
    client.force_login(responder)
    url = reverse("admin:policy_extension_add")
    response = client.post(url, {"extension_id": "EXT.weather", "name": "Rain"})
    html = response.content.decode()
    assert "looks like ext.weather" in html
    assert 'value="Rain"' in html
    client.post(url, {"extension_id": "EXT.weather", "is_another": "on"})
    assert Extension.objects.filter(extension_id="EXT.weather").exists()


def test_the_page_flags_a_lookalike_that_the_runtime_named(
    weather: Extension, responder: User, client: Client
) -> None:
    other = note_extension(
        extension_id="ext.we\u0430ther\u202e", seen_in="an alert", now=NOON
    )
    client.force_login(responder)
    for shown, alike in ((weather, other), (other, weather)):
        page = client.get(reverse("admin:policy_extension_change", args=[shown.pk]))
        html = page.content.decode()
        assert "Its ID looks like" in html
        assert reverse("admin:policy_extension_change", args=[alike.pk]) in html
        assert "⟨U+202E⟩" in html
        assert "\u202e" not in html
    listed = client.get(reverse("admin:policy_extension_changelist")).content.decode()
    assert "ext.we\u0430ther⟨U+202E⟩" in listed
    assert "\u202e" not in listed

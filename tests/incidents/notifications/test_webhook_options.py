"""What an address may say beside where to send; no database, no network."""

import pytest

from incidents.errors import NotificationRefused
from incidents.services.notifications.webhooks import (
    OPTIONS,
    make_service,
    require_allowed,
)

WORKFLOW = "workflows://host/workflow/signature/"
HOOK = "jsons://hook.example.org/path"


@pytest.mark.parametrize(
    ("url", "option"),
    [
        (f"{WORKFLOW}?template=/etc/casefile.json", "template"),
        (f"{WORKFLOW}?Template=/etc/casefile.json", "template"),
        (f"{WORKFLOW}?%74emplate=/etc/casefile.json", "template"),
        (f"{WORKFLOW}?api-version=1;template=/etc/casefile.json", "template"),
        (f"{WORKFLOW}?:name=value", ":name"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/x/?template=/etc/casefile.json", "template"),
        ("ntfys://ntfy.example.org/topic?attach=file:///etc/passwd", "attach"),
        ("discord://4174216298/token/?avatar_url=http://10.0.0.1/", "avatar_url"),
        (f"{HOOK}?verify=no", "verify"),
        (f"{HOOK}?verify=yes", "verify"),
        (f"{HOOK}?method=POST&verify=no", "verify"),
        (f"{HOOK}?redirect=yes", "redirect"),
        (f"{HOOK}?cto=3600", "cto"),
        (f"{HOOK}?rto=3600", "rto"),
        (f"{HOOK}?retry=10", "retry"),
        (f"{HOOK}?wait=60", "wait"),
        (f"{HOOK}?store=yes", "store"),
        (f"{HOOK}?-dropped=1", "-dropped"),
        (f"{HOOK}?+=1", "+"),
        (f"{HOOK}?surprise=1", "surprise"),
    ],
)
def test_option_that_is_not_listed_is_refused_without_its_value(url, option):
    with pytest.raises(NotificationRefused, match="does not take") as refused:
        require_allowed(url)
    assert repr(option) in refused.value.message
    assert "/etc/" not in refused.value.message
    assert url not in refused.value.message


@pytest.mark.parametrize(
    "url",
    [
        HOOK,
        f"{HOOK}?+Authorization=Bearer%20abc&method=PUT",
        WORKFLOW,
        "workflows://host/?id=workflow&sig=signature&api-version=2016-06-01",
        "pagerduty://integration@api-key-of-mine/?region=eu&severity=critical",
        "zulip://bot@org/abcdefghijklmnopqrstuvwxyz012345/?to=incidents",
    ],
)
def test_address_with_what_tells_where_to_send_is_taken(url):
    assert require_allowed(url) == url.partition(":")[0]


def test_service_of_a_taken_address_checks_certificates():
    service = make_service(f"{HOOK}?+Authorization=Bearer%20abc")
    assert service is not None
    assert service.verify_certificate is True


def test_scheme_that_an_installation_adds_takes_no_options(settings):
    settings.WEBHOOK_SCHEMES = ["signals"]
    assert "signals" not in OPTIONS
    with pytest.raises(NotificationRefused, match="It takes none"):
        require_allowed("signals://host/+15551234567/+15551234568?batch=yes")


def test_every_scheme_that_is_taken_by_default_has_its_options_listed(settings):
    assert set(settings.WEBHOOK_SCHEMES) <= set(OPTIONS)

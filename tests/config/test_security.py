"""Headers, client addresses and sign-in limits, as a browser meets them."""

import base64
import hashlib
import re

import pytest
from csp.constants import UNSAFE_INLINE
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from pytest_django import Settings

from config.csp import POLICIES_BY_PATH, SKIN_COLOURS
from config.middleware import TrustedProxyMiddleware
from tests.conftest import PASSWORD, sign_in


def read_policy(headers) -> dict[str, str]:
    parts = headers["content-security-policy"].split("; ")
    return dict(part.partition(" ")[::2] for part in parts)


def test_pages_outside_the_admin_get_the_strict_policy(client: Client) -> None:
    policy = read_policy(client.get("/").headers)
    assert policy["default-src"] == "'self'"
    assert "script-src" not in policy
    assert "unsafe" not in str(policy)
    assert policy["frame-ancestors"] == "'none'"


# One of each kind: a redirect, a page, a refusal and a missing thing of the API, a page
# that is not there, a file that is not there, a probe.
ANSWERS = (
    "/",
    "/admin/login/",
    "/api/v1/incidents/",
    "/api/v1/nothing/",
    "/nothing",
    "/static/nothing.css",
    "/livez",
)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", ANSWERS)
def test_headers_stand_on_every_kind_of_answer(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert read_policy(headers)["frame-ancestors"] == "'none'"
    assert "server" not in headers
    assert "x-powered-by" not in headers


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", ANSWERS)
def test_policies_name_no_plugin_and_no_base(client: Client, path: str) -> None:
    policy = read_policy(client.get(path).headers)
    assert policy["object-src"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["default-src"] == "'self'"


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", [*ANSWERS, "/api/v1/docs/"])
def test_no_page_may_evaluate_or_hold_a_script(client: Client, path: str) -> None:
    policy = read_policy(client.get(path).headers)
    assert policy.get("script-src", "'self'") == "'self'"
    assert "unsafe-eval" not in str(policy)


def test_only_styles_are_laxer_and_only_where_it_is_stated() -> None:
    assert set(POLICIES_BY_PATH) == {"/admin/", "/api/v1/docs/"}
    for policy in POLICIES_BY_PATH.values():
        lax = {name for name, sources in policy.items() if UNSAFE_INLINE in sources}
        assert lax <= {"style-src", "style-src-attr"}


@pytest.mark.usefixtures("db")
def test_the_one_style_in_a_page_of_the_admin_is_the_one_that_is_allowed(
    admin_client: Client,
) -> None:
    for url in ("/admin/", "/admin/login/", "/admin/incidents/incident/"):
        page = admin_client.get(url, follow=True).content.decode()
        styles = re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL)
        digests = {hashlib.sha256(style.encode()).digest() for style in styles}
        found = {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests}
        assert found == {SKIN_COLOURS}, "config/csp.py holds another one."


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", ANSWERS)
def test_no_answer_is_open_to_other_origins(client: Client, path: str) -> None:
    answer = client.get(path, headers={"origin": "https://elsewhere.example"})
    assert not [name for name in answer.headers if "access-control" in name.lower()]


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", ["/static/", "/static/admin/", "/media/"])
def test_no_folder_is_listed(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.usefixtures("db")
def test_admin_gets_its_own_policy_and_no_inline_scripts(client: Client) -> None:
    policy = read_policy(client.get("/admin/login/").headers)
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert policy["style-src-elem"] == f"'self' {SKIN_COLOURS}"
    assert policy["style-src-attr"] == "'unsafe-inline'"
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == "'none'"


def test_a_path_that_only_looks_like_the_admin_stays_strict(client: Client) -> None:
    assert "script-src" not in read_policy(client.get("/administrator/").headers)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_client_address_comes_only_from_our_own_proxies(
    settings: Settings, proxies: int, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    seen: list[str] = []
    middleware = TrustedProxyMiddleware(
        lambda request: seen.append(request.META["REMOTE_ADDR"])  # type: ignore[arg-type]
    )
    middleware(RequestFactory().get("/", headers={"x-forwarded-for": forwarded}))
    assert seen == [address]


def test_sign_in_is_locked_after_repeated_failures(
    client: Client, settings: Settings, responder: User
) -> None:
    form = {"username": responder.username, "password": "not the password"}
    for _ in range(settings.AXES_FAILURE_LIMIT):
        client.post("/admin/login/", form)
    response = client.post("/admin/login/", form | {"password": PASSWORD})
    assert response.status_code == 429
    assert "_auth_user_id" not in client.session


def test_sign_in_elsewhere_is_not_locked_with_it(
    client: Client, settings: Settings, responder: User
) -> None:
    form = {"username": responder.username, "password": "not the password"}
    for _ in range(settings.AXES_FAILURE_LIMIT):
        client.post("/admin/login/", form)
    elsewhere = Client(REMOTE_ADDR="203.0.113.9")
    elsewhere.post("/admin/login/", form | {"password": PASSWORD})
    assert elsewhere.session["_auth_user_id"] == str(responder.pk)


@pytest.mark.browser
def test_api_documentation_works_under_its_policy(
    browser_page, live_server, responder: User
) -> None:
    faults: list[str] = []
    browser_page.on("console", lambda message: faults.append(message.text))
    browser_page.on("pageerror", lambda error: faults.append(str(error)))
    sign_in(browser_page, live_server.url, responder)
    response = browser_page.goto(f"{live_server.url}/api/v1/docs/")
    policy = read_policy(response.headers)
    assert "script-src" not in policy
    # The document is made with its first reader, which takes a busy machine long.
    browser_page.wait_for_selector(".opblock-summary", timeout=60_000)
    assert faults == []

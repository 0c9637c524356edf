"""What the table of ASVS says of the whole of our code, of cookies and of sessions."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import global_settings
from django.contrib.auth import get_user
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from evidence.accounts.people import set_active
from evidence.models import AuditEntry
from tests.conftest import PASSWORD
from tests.factories import make_incident, make_user

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
APPS = ("config", "evidence", "policy", "incidents")
PAGE = ROOT / "docs" / "security-model.md"
MADE_UP = "evidence/simulation/"
"""What makes practice evidence, the same from the same seed."""
DELAYS = "evidence/database/pooling.py"
"""Waits for a while by chance, so that two who ask do not ask in step."""


@cache
def sources() -> dict[str, str]:
    """Return what each of our modules says, read once."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for app in APPS
        for path in sorted((ROOT / app).rglob("*.py"))
    }


def dotted(node: ast.expr) -> str:
    """Return the name of what is called; what it is looked up in may be an answer."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "()"


@cache
def calls() -> dict[str, list[tuple[str, ast.Call]]]:
    """Return each call of a module with the name that it is made by, `eval` or such."""
    return {
        name: [
            (dotted(node.func), node)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call)
        ]
        for name, text in sources().items()
        if "/migrations/" not in name
    }


def test_no_shell_is_given_anything() -> None:
    found, tried = [], 0
    for name, made in calls().items():
        for called, call in made:
            tried += called.startswith("subprocess.")
            words = {word.arg: word.value for word in call.keywords}
            if called in ("os.system", "os.popen", "subprocess.getoutput"):
                found.append((name, called))
            if "shell" in words and ast.unparse(words["shell"]) != "False":
                found.append((name, called))
    assert found == []
    assert tried > 5


def test_nothing_is_executed_and_no_template_is_made_of_what_was_sent() -> None:
    executing = {"eval", "exec", "compile", "__import__", "pickle.loads", "pickle.load"}
    making = {"Template", "Engine", "engine.from_string", "Engine.from_string"}
    found = [
        (name, called)
        for name, made in calls().items()
        for called, _ in made
        if called in executing | making or called.endswith(".from_string")
    ]
    assert found == []


def test_what_must_not_be_guessed_comes_from_the_systems_random_source() -> None:
    by_chance = re.compile(
        r"^(?:import random|from random|from uuid import uuid1)", re.M
    )
    found = {
        name
        for name, text in sources().items()
        if by_chance.search(text) and not name.startswith(MADE_UP)
    }
    assert found == {DELAYS}


PRIMITIVES = re.compile(
    r"hashlib\.(?:new|\w+)|hmac\.\w+|Fernet|MultiFernet|Ed25519\w+Key|salted_hmac|"
    r"signing\.\w+|TOTP|\bHOTP\b|fido2|joserfc|AESGCM|ChaCha\w+|PBKDF2\w*|scrypt|"
    r"RSA\w+Key|\bX509\w*|load_der_x509_certificate"
)


def test_every_primitive_that_is_used_is_in_the_list_of_all_cryptography() -> None:
    text = PAGE.read_text(encoding="utf-8")
    listed = text.split("## All cryptography")[1].split("\n## ")[0]
    missing = set()
    for name, source in sources().items():
        for found in PRIMITIVES.findall(source):
            if f"`{found}`" not in listed:
                missing.add((found, name))
    assert sorted(missing) == []


def test_no_broken_hash_protects_anything() -> None:
    weak = re.compile(r"hashlib\.(md5|sha1)|['\"](md5|sha1)['\"]", re.IGNORECASE)
    assert [name for name, text in sources().items() if weak.search(text)] == []


def ask_production(code: str, **environment: str) -> Any:
    """Return what an expression over the settings of production is."""
    run = subprocess.run(
        [sys.executable, "-c", f"import json, config.settings as s; {code}"],
        cwd=ROOT,
        env={
            **{
                name: os.environ[name]
                for name in ("PATH", "HOME")
                if name in os.environ
            },
            "SECRET_KEY": "a-long-key-0123456789-of-many-different-letters-xyz",
            "ALLOWED_HOSTS": "casefile.example.org",
            "CASEFILE_BASE_URL": "https://casefile.example.org",
            "DATABASE_URL": "postgres://u:p@127.0.0.1/none",
            "REDIS_URL": "redis://127.0.0.1:1",
            "BROKER_URL": "amqp://u:p@127.0.0.1",
            "EVIDENCE_ROOT": "/tmp",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_passwords_are_stretched_in_production() -> None:
    assert "PASSWORD_HASHERS" not in (ROOT / "config" / "settings.py").read_text()
    first = global_settings.PASSWORD_HASHERS[0]
    assert first.endswith(".PBKDF2PasswordHasher")
    assert PBKDF2PasswordHasher.iterations >= 600_000
    assert PBKDF2PasswordHasher.algorithm == "pbkdf2_sha256"


def test_cookies_of_production_are_of_this_host_and_of_tls_by_their_name() -> None:
    names = ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SESSION_COOKIE_SECURE"]
    names += ["CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY"]
    found = ask_production(
        f"print(json.dumps([getattr(s, name) for name in {names!r}]))"
    )
    assert found == ["__Host-sessionid", "__Host-csrftoken", True, True, True]
    source = (ROOT / "config" / "settings.py").read_text()
    for moved in ("COOKIE_DOMAIN", "COOKIE_PATH"):
        assert moved not in source


@pytest.mark.django_db
def test_every_cookie_is_out_of_scripts_and_other_sites_reach(
    client: Client, responder: User, settings: Settings
) -> None:
    """As production has it: HTTPS, the device's cookie among them."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    settings.CSRF_COOKIE_NAME = "__Host-csrftoken"
    client.get("/admin/login/", secure=True)
    typed = {"username": responder.username, "password": PASSWORD}
    client.post("/admin/login/", typed, secure=True)
    assert get_user(client).is_authenticated  # type: ignore[arg-type]
    kept = {name: cookie for name, cookie in client.cookies.items() if cookie.value}
    assert set(kept) == {
        *("__Host-sessionid", "__Host-csrftoken"),
        f"__Host-casefile_device_{responder.pk}",
    }
    for name, cookie in kept.items():
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
        assert cookie["samesite"] == "Lax", name
        assert bool(cookie["httponly"]) or "csrftoken" in name, name


@pytest.mark.django_db
def test_the_api_is_refused_over_plain_http_and_pages_are_led_to_tls(
    client: Client, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    refused = client.get("/api/v1/incidents/")
    assert (refused.status_code, refused.json()["code"]) == (403, "https_needed")
    assert "Location" not in refused
    assert client.get("/api/v1/incidents/", secure=True).status_code == 401
    page = client.get("/admin/login/")
    assert page.status_code == 301
    assert page["Location"].startswith("https://")


@pytest.mark.django_db
def test_signing_out_empties_the_browser(client: Client, responder: User) -> None:
    client.force_login(responder)
    answer = client.post("/admin/logout/")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert "Clear-Site-Data" not in client.get("/admin/login/")


def sign_in(person: User) -> Client:
    client = Client()
    typed = {"username": person.username, "password": PASSWORD}
    client.post("/admin/login/", typed)
    assert is_in(client)
    return client


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


@pytest.mark.django_db
def test_a_sign_in_has_a_key_of_its_own_that_cannot_be_guessed(
    responder: User,
) -> None:
    client = Client()
    client.get("/admin/login/")
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = before
    typed = {"username": responder.username, "password": PASSWORD}
    client.post("/admin/login/", typed)
    after = client.session.session_key
    assert after != before
    assert re.fullmatch(r"[a-z0-9]{32}", after or "")
    other = Client()
    other.cookies["sessionid"] = before or ""
    assert not is_in(other)


@pytest.mark.django_db
def test_sessions_end_with_the_account_and_with_a_new_password(
    responder: User, administrator: User
) -> None:
    first, second = sign_in(responder), sign_in(responder)
    responder.refresh_from_db()
    responder.set_password("another long word for it 7")
    responder.save()
    assert [is_in(first), is_in(second)] == [False, False]
    third = Client()
    third.force_login(responder)
    set_active(actor=None, person_id=responder.pk, is_active=False, reason="Left.")
    assert not is_in(third)


@pytest.mark.django_db
def test_an_administrator_signs_somebody_out_everywhere(
    administrator: User, responder: User
) -> None:
    first, second = sign_in(responder), sign_in(responder)
    other = sign_in(make_user(username="colleague"))
    admin = sign_in(administrator)
    page = reverse("admin:auth_user_sign_out_page", args=[responder.pk])
    asked = admin.post(page, {"reason": "A laptop was lost."})
    assert asked.status_code == 302
    assert [is_in(each) for each in (first, second, other, admin)] == [
        *(False, False, True, True)
    ]
    entry = AuditEntry.objects.get(action="person.signed_out_by_another")
    assert (entry.actor, entry.after["ended"]) == (administrator, 2)
    again = admin.post(page, {"reason": "Once more."}).content.decode()
    assert "signed in nowhere" in again
    assert sign_in(responder).post(page, {"reason": "x"}).status_code == 403


@pytest.mark.django_db
def test_signing_out_is_on_every_page(responder: User) -> None:
    case = make_incident()
    client = sign_in(responder)
    for page in ("", f"incidents/incident/{case.pk}/change/", "search/", "confirm/"):
        shown = client.get(f"/admin/{page}").content.decode()
        assert 'action="/admin/logout/"' in shown, page


@pytest.mark.django_db
@pytest.mark.parametrize(
    "password", [" blank before and behind ", "ünï©ødé 龍 passphrase", "long " * 25]
)
def test_a_password_is_taken_as_it_is(responder: User, password: str) -> None:
    responder.set_password(password)
    responder.save()

    def comes_in(typed: str) -> bool:
        client = Client()
        form = {"username": responder.username, "password": typed}
        client.post("/admin/login/", form)
        return is_in(client)

    assert comes_in(password)
    assert not comes_in(password[:-1])
    assert not comes_in(password.swapcase())


@pytest.mark.django_db
def test_fields_for_passwords_hide_what_is_typed_and_take_what_is_pasted(
    administrator: User,
) -> None:
    client = sign_in(administrator)
    shown = [
        Client().get("/admin/login/"),
        client.get("/admin/password_change/"),
        client.get("/admin/confirm/?next=/admin/"),
        client.get("/admin/auth/user/add/"),
    ]
    for page in shown:
        text = page.content.decode()
        fields = re.findall(r"<input[^>]*\bname=\"\w*password\w*\"[^>]*>", text)
        assert fields, page.request["PATH_INFO"]
        for field in fields:
            assert 'type="password"' in field
            assert "onpaste" not in field
            assert 'autocomplete="off"' not in field


@pytest.mark.django_db
def test_a_token_in_an_address_opens_nothing(responder: User) -> None:
    from evidence.accounts.tokens import create_token

    _, secret = create_token(
        user=responder, name="x", scopes=["read"], days=1, actor=None
    )
    for name in ("token", "access_token", "auth", "key"):
        answer = Client().get(f"/api/v1/incidents/?{name}={secret}")
        assert answer.status_code == 401


def test_scripts_of_ours_take_no_names_from_outside_and_run_none() -> None:
    risky = re.compile(
        r"__proto__|Object\.assign|document\.write|\beval\(|new Function|postMessage"
    )
    scripts = [
        path
        for app in APPS
        for path in sorted((ROOT / app).rglob("static/**/*.js"))
        if "vendor" not in path.parts and "unfold" not in path.parts
    ]
    assert len(scripts) > 5
    assert [path.name for path in scripts if risky.search(path.read_text())] == []

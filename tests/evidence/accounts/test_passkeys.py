"""Passkeys: added, named, shown alone or after a password, removed; no forgery is."""

import datetime as dt
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from fido2.cose import CoseKey
from fido2.webauthn import AttestedCredentialData, AuthenticatorData
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.accounts.factors.passkeys import LONGEST_ID, MOST_PASSKEYS
from evidence.accounts.factors.removal import remove_factors
from evidence.accounts.presence import PROVED
from evidence.models import AuditEntry, Passkey
from tests.conftest import PASSWORD
from tests.evidence.accounts.soft_passkey import SoftPasskey, read_options
from tests.evidence.accounts.test_second_factors import (
    CONFIRM,
    PAGE,
    STEP,
    give_password,
    headlines,
    is_in,
)
from tests.factories import make_user as make_person

pytestmark = [pytest.mark.django_db, pytest.mark.long]
ADD = f"{PAGE}passkey/"
ALONE = "/admin/login/passkey/"


def ask(client: Client, page: str) -> dict:
    return read_options(client.get(page).content.decode())


def add_passkey(client: Client, name: str = "Laptop") -> SoftPasskey:
    passkey = SoftPasskey()
    answer = passkey.make(ask(client, ADD))
    page = client.post(ADD, {"name": name, "answer": answer})
    assert Passkey.objects.filter(credential_id=passkey.id).exists(), page.content
    return passkey


@pytest.fixture
def passkey(responder: User) -> SoftPasskey:
    client = Client()
    client.force_login(responder)
    return add_passkey(client)


def test_passkey_alone_signs_in(responder: User, passkey: SoftPasskey) -> None:
    client = Client()
    page = f"{ALONE}?next=/admin/auth/user/sessions/"
    options = ask(client, page)
    assert "allowCredentials" not in options
    assert options["userVerification"] == "required"
    answer = client.post(page, {"answer": passkey.show(options)})
    assert answer.headers["Location"] == "/admin/auth/user/sessions/"
    assert is_in(client)
    entry = AuditEntry.objects.get(action="person.signed_in")
    assert (entry.actor, entry.after["by"]) == (responder, "passkey")
    assert Passkey.objects.get().last_used_at is not None


def test_passkey_after_the_password_signs_in(
    responder: User, passkey: SoftPasskey
) -> None:
    client = give_password("responder")
    assert not is_in(client)
    options = ask(client, STEP)
    assert len(options["allowCredentials"]) == 1
    client.post(STEP, {"answer": passkey.show(options)})
    assert is_in(client)
    entry = AuditEntry.objects.get(action="person.signed_in")
    assert entry.after["by"] == "password and passkey"


def test_passkey_of_somebody_else_is_no_second_step(
    responder: User, reviewer: User, passkey: SoftPasskey
) -> None:
    other = Client()
    other.force_login(reviewer)
    theirs = add_passkey(other)
    client = give_password("responder")
    client.post(STEP, {"answer": theirs.show(ask(client, STEP))})
    assert not is_in(client)


FORGERIES = {
    "another challenge": {"challenge": "A" * 43},
    "another origin": {"origin": "https://evil.example.org"},
    "an origin that begins like ours": {"origin": "http://testserver.evil.org"},
    "another site": {"site": "evil.example.org"},
    "a registration": {"type": "webauthn.create"},
    "nobody touched it": {"flags": AuthenticatorData.FLAG(0)},
    "nobody was verified": {"flags": AuthenticatorData.FLAG.UP},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "another person": {"handle": b"x" * 32},
}


@pytest.mark.parametrize("wrong", FORGERIES.values(), ids=FORGERIES)
def test_forged_answers_sign_nobody_in_and_are_recorded(
    passkey: SoftPasskey, wrong: dict
) -> None:
    client = Client()
    page = client.post(ALONE, {"answer": passkey.show(ask(client, ALONE), **wrong)})
    assert "could not be used" in page.content.decode()
    assert not is_in(client)
    assert AuditEntry.objects.filter(action="person.sign_in_failed").count() == 1


MALFORMED = (
    *("", "x", "[]", "{}", "null", "1", '{"id": 1}', '{"rawId": "é"}'),
    *('{"rawId": "AA"}', '{"rawId": "AA", "response": []}', "[" * 100_000),
    '{"rawId": "AA", "response": {"clientDataJSON": "AA", "authenticatorData": "AA"}}',
)


@pytest.mark.parametrize("answer", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_answers_are_refused_and_no_server_error(
    responder: User, answer: str
) -> None:
    client = Client()
    client.get(ALONE)
    assert client.post(ALONE, {"answer": answer}).status_code == 200
    client.force_login(responder)
    client.get(ADD)
    assert client.post(ADD, {"name": "x", "answer": answer}).status_code == 200
    assert not Passkey.objects.exists()


def test_an_answer_is_taken_once(passkey: SoftPasskey) -> None:
    client = Client()
    answer = passkey.show(ask(client, ALONE))
    assert client.post(ALONE, {"answer": answer}).status_code == 302
    client.post("/admin/logout/")
    for again in (client, Client()):
        assert again.post(ALONE, {"answer": answer}).status_code == 200
        again.get(ALONE)
        assert again.post(ALONE, {"answer": answer}).status_code == 200
        assert not is_in(again)


def test_a_challenge_is_used_by_a_wrong_answer_too(passkey: SoftPasskey) -> None:
    client = Client()
    options = ask(client, ALONE)
    client.post(ALONE, {"answer": "x"})
    assert client.post(ALONE, {"answer": passkey.show(options)}).status_code == 200
    assert not is_in(client)


def test_a_challenge_for_one_thing_is_none_for_another(
    responder: User, passkey: SoftPasskey, settings: Settings
) -> None:
    settings.PRESENCE_MINUTES = 15
    client = give_password("responder")
    options = ask(client, STEP)
    assert client.post(ALONE, {"answer": passkey.show(options)}).status_code == 200
    assert not is_in(client)


def test_a_challenge_ends_after_minutes(passkey: SoftPasskey) -> None:
    client = Client()
    options = ask(client, ALONE)
    session = client.session
    moment = timezone.now() - dt.timedelta(minutes=6)
    session["passkey_asked"] |= {"at": moment.isoformat()}
    session.save()
    assert client.post(ALONE, {"answer": passkey.show(options)}).status_code == 200
    assert not is_in(client)


@pytest.mark.parametrize("counter", [0, 1])
def test_a_copy_is_refused_recorded_and_told(
    responder: User, passkey: SoftPasskey, counter: int
) -> None:
    client = Client()
    client.post(ALONE, {"answer": passkey.show(ask(client, ALONE))})
    thief = Client()
    answer = passkey.show(ask(thief, ALONE), counter=counter)
    thief.post(ALONE, {"answer": answer})
    assert not is_in(thief)
    entry = AuditEntry.objects.get(action="person.passkey_refused")
    assert entry.after == {"counter": counter}
    assert "may have been copied" in " ".join(headlines(responder))


def test_passkeys_that_count_nothing_are_taken(passkey: SoftPasskey) -> None:
    """Those that are kept in a cloud always send zero."""
    for _ in range(2):
        client = Client()
        client.post(ALONE, {"answer": passkey.show(ask(client, ALONE), counter=0)})
        assert is_in(client)


@pytest.mark.parametrize("change", ["off", "removed", "machine"])
def test_passkey_of_an_account_that_may_not_sign_in_is_refused(
    responder: User, administrator: User, passkey: SoftPasskey, change: str
) -> None:
    if change == "off":
        User.objects.filter(pk=responder.pk).update(is_active=False)
    elif change == "machine":
        User.objects.filter(pk=responder.pk).update(is_staff=False)
    else:
        remove_factors(actor=administrator, person_id=responder.pk, reason="Lost.")
        assert not Passkey.objects.exists()
    client = Client()
    answer = client.post(ALONE, {"answer": passkey.show(ask(client, ALONE))})
    assert answer.status_code == 200
    assert "_auth_user_id" not in client.session


def test_wrong_passkeys_lock_the_address_and_nobody_by_name(
    responder: User, passkey: SoftPasskey, settings: Settings
) -> None:
    stranger, statuses = Client(REMOTE_ADDR="203.0.113.7"), []
    key = ec.generate_private_key(ec.SECP256R1())
    for _ in range(settings.LOGIN_NAME_LIMIT + 1):
        answer = passkey.show(ask(stranger, ALONE), key=key)
        statuses.append(stranger.post(ALONE, {"answer": answer}).status_code)
    assert statuses[settings.AXES_FAILURE_LIMIT - 1] == 429
    assert statuses[-1] == 429
    owner = Client(REMOTE_ADDR="198.51.100.1")
    owner.post(ALONE, {"answer": passkey.show(ask(owner, ALONE))})
    assert is_in(owner)
    by_password = give_password("responder", Client(REMOTE_ADDR="198.51.100.2"))
    assert by_password.get(STEP).status_code == 200


def test_who_is_locked_out_by_others_still_comes_in_by_passkey(
    responder: User, passkey: SoftPasskey, settings: Settings
) -> None:
    for number in range(settings.LOGIN_NAME_LIMIT):
        stranger = Client(REMOTE_ADDR=f"198.51.100.{number}")
        form = {"username": "responder", "password": "wrong"}
        stranger.post("/admin/login/", form)
    client = Client(REMOTE_ADDR="203.0.113.9")
    client.post(ALONE, {"answer": passkey.show(ask(client, ALONE))})
    assert is_in(client)


def test_several_are_named_shown_and_removed(responder: User) -> None:
    client = Client()
    client.force_login(responder)
    first, second = add_passkey(client, "Laptop"), add_passkey(client, "Key ring")
    options = ask(client, ADD)
    assert len(options["excludeCredentials"]) == 2
    assert first.handle == second.handle
    page = client.get(PAGE).content.decode()
    assert "Laptop" in page
    assert "Key ring" in page
    row = Passkey.objects.get(credential_id=first.id)
    client.post(PAGE, {"do": "remove-passkey", "passkey": row.pk})
    assert list(Passkey.objects.values_list("name", flat=True)) == ["Key ring"]
    entry = AuditEntry.objects.get(action="person.passkey_removed")
    assert entry.before == {"name": "Laptop"}
    assert "was removed" in headlines(responder)[-1]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "\u202e"])
def test_passkey_without_a_usable_name_is_not_added(responder: User, name: str) -> None:
    client = Client()
    client.force_login(responder)
    answer = SoftPasskey().make(ask(client, ADD))
    client.post(ADD, {"name": name, "answer": answer})
    kept = list(Passkey.objects.values_list("name", flat=True))
    assert kept in ([], ["\u202e"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"challenge": "A" * 43},
        {"origin": "https://evil.example.org"},
        {"site": "evil.example.org"},
        {"type": "webauthn.get"},
        {"flags": AuthenticatorData.FLAG.UP},
        {"bare": True},
        {"public": CoseKey.parse({1: 2, 3: -999})},
        {"id": b""},
        {"id": secrets.token_bytes(LONGEST_ID + 1)},
    ],
    ids=[
        *("challenge", "origin", "site", "type", "unverified"),
        *("no key", "a key of an unknown kind", "no id", "a long id"),
    ],
)
def test_forged_registrations_are_refused(responder: User, wrong: dict) -> None:
    client = Client()
    client.force_login(responder)
    answer = SoftPasskey().make(ask(client, ADD), **wrong)
    page = client.post(ADD, {"name": "x", "answer": answer}).content.decode()
    assert "could not be added" in page
    assert not Passkey.objects.exists()


def test_the_passkey_of_somebody_else_is_neither_added_nor_removed(
    responder: User, reviewer: User, passkey: SoftPasskey
) -> None:
    client = Client()
    client.force_login(reviewer)
    answer = passkey.make(ask(client, ADD))
    page = client.post(ADD, {"name": "Mine", "answer": answer}).content.decode()
    assert "known here already" in page
    row = Passkey.objects.get()
    client.post(PAGE, {"do": "remove-passkey", "passkey": row.pk})
    client.post(PAGE, {"do": "remove-passkey", "passkey": "x"})
    assert Passkey.objects.get().user == responder


def test_a_kept_key_that_cannot_be_checked_signs_nobody_in(
    passkey: SoftPasskey,
) -> None:
    """It was taken once: its owner met a server error at each sign-in."""
    row = Passkey.objects.get()
    data = AttestedCredentialData(bytes(row.credential))
    row.credential = AttestedCredentialData.create(
        data.aaguid, data.credential_id, CoseKey.parse({1: 2, 3: -999})
    )
    row.save()
    client = Client()
    answer = client.post(ALONE, {"answer": passkey.show(ask(client, ALONE))})
    assert answer.status_code == 200
    assert not is_in(client)


def test_there_is_a_most_of_them(responder: User, passkey: SoftPasskey) -> None:
    row = Passkey.objects.get()
    for number in range(MOST_PASSKEYS - 1):
        row.pk, row.credential_id = None, bytes([number] * 16)
        row.save(force_insert=True)
    client = Client()
    client.force_login(responder)
    answer = SoftPasskey().make(ask(client, ADD))
    page = client.post(ADD, {"name": "One more", "answer": answer}).content.decode()
    assert "the most there may be" in page


def test_presence_is_proved_by_passkey_which_is_offered_first(
    administrator: User, settings: Settings
) -> None:
    client = Client()
    client.force_login(administrator)
    passkey = add_passkey(client)
    settings.PRESENCE_MINUTES = 15
    wanted = f"{CONFIRM}?next=/admin/auth/user/add/"
    page = client.get(wanted).content.decode()
    assert page.index("data-passkey") < page.index('name="password"')
    wrong = passkey.show(read_options(page), origin="https://evil.example.org")
    assert client.post(wanted, {"answer": wrong}).status_code == 200
    assert PROVED not in client.session
    answer = client.post(wanted, {"answer": passkey.show(ask(client, wanted))})
    assert answer.headers["Location"] == "/admin/auth/user/add/"
    assert PROVED in client.session


def test_passkey_meets_what_a_role_needs(settings: Settings) -> None:
    reviewer = make_person(Role.REVIEWER)
    settings.SECOND_FACTOR_ROLES = ["reviewer"]
    client = give_password(reviewer.username)
    assert client.get("/admin/").headers["Location"] == PAGE
    passkey = add_passkey(client)
    assert client.get("/admin/").status_code == 200
    row = Passkey.objects.get()
    client.post(PAGE, {"do": "remove-passkey", "passkey": row.pk})
    assert Passkey.objects.exists()
    other = Client()
    other.post(ALONE, {"answer": passkey.show(ask(other, ALONE))})
    assert other.get("/admin/").status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
def test_at_an_address_the_page_says_that_browsers_want_a_name(
    responder: User, settings: Settings, address: str
) -> None:
    """As `make run` is opened; a button there could only fail."""
    settings.ALLOWED_HOSTS = ["*"]
    settings.CASEFILE_BASE_URL = f"http://{address}:8000"
    client = Client(headers={"host": f"{address}:8000"})
    said = f"not for an address such as {address.strip('[]')}"
    page = client.get(ALONE).content.decode()
    assert said in page
    assert "data-passkey=" not in page
    client.force_login(responder)
    page = client.get(ADD).content.decode()
    assert said in page
    assert "localhost" in page
    assert "data-passkey=" not in page


def test_at_another_host_the_page_says_where_passkeys_work(
    responder: User, settings: Settings
) -> None:
    settings.CASEFILE_BASE_URL = "https://casefile.example.org"
    page = Client().get(ALONE).content.decode()
    assert "Passkeys work at casefile.example.org only" in page
    client = Client()
    client.force_login(responder)
    assert "casefile.example.org only" in client.get(ADD).content.decode()
    assert PASSWORD not in page

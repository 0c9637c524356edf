"""A code after the password: apps, recovery codes, limits, and who has to have one."""

import base64
import datetime as dt
import re

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import resolve
from django.utils import timezone
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.accounts.emergency import open_break_glass
from evidence.accounts.factors.authenticator import (
    add_authenticator,
    open_seed,
    remove_authenticator,
    use_authenticator,
)
from evidence.accounts.factors.codes import code_at, find_step, make_seed, step_at
from evidence.accounts.factors.recovery import make_recovery_codes, use_recovery_code
from evidence.accounts.factors.removal import remove_factors
from evidence.accounts.presence import PROVED
from evidence.errors import FactorError, PermissionRefused
from evidence.models import AuditEntry, AuthenticatorApp, RecoveryCode
from incidents.models import Notification
from tests.config.test_settings import read_settings
from tests.conftest import PASSWORD
from tests.factories import make_user as make_person

pytestmark = [pytest.mark.django_db, pytest.mark.long]
STEP = "/admin/login/factor/"
PAGE = "/admin/auth/user/factors/"
CONFIRM = "/admin/confirm/"


def now_code(person: User, ahead: int = 0) -> str:
    """Return the code of a person's app, of the interval after the one used last."""
    app = AuthenticatorApp.objects.get(user=person)
    seed = open_seed(app.sealed_seed)
    assert seed is not None
    return code_at(seed, step_at(timezone.now().timestamp()) + ahead)


def add_app(person: User) -> bytes:
    """Give a person an app, added an hour ago, so that no code of now is used yet."""
    seed, then = make_seed(), timezone.now() - dt.timedelta(hours=1)
    code = code_at(seed, step_at(then.timestamp()))
    add_authenticator(actor=person, seed=seed, code=code, now=then)
    return seed


def give_password(name: str, client: Client | None = None) -> Client:
    client = client or Client()
    form = {"username": name, "password": PASSWORD}
    client.post("/admin/login/?next=/admin/auth/user/sessions/", form)
    return client


def is_in(client: Client) -> bool:
    return client.get("/admin/auth/user/sessions/").status_code == 200


def headlines(person: User) -> list[str]:
    rows = Notification.objects.filter(recipient=person).order_by("pk")
    return list(rows.values_list("headline", flat=True))


# --- Codes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    assert code_at(b"12345678901234567890", step_at(seconds)) == code


def test_code_of_a_clock_that_is_one_interval_off_is_taken_and_no_other() -> None:
    seed = make_seed()
    taken = [
        offset
        for offset in range(-4, 5)
        if find_step(seed, code_at(seed, 1000 + offset), now_step=1000) is not None
    ]
    assert taken == [-1, 0, 1]


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "１２３４５６", "\x00"]
)
def test_what_is_no_code_is_wrong_and_nothing_else(code: str) -> None:
    assert find_step(make_seed(), code, now_step=1000) is None


# --- Signing in ----------------------------------------------------------------------


def test_the_password_alone_signs_nobody_in_who_has_an_app(responder: User) -> None:
    add_app(responder)
    client = give_password("responder")
    assert not is_in(client)
    assert not AuditEntry.objects.filter(action="person.signed_in").exists()
    answer = client.post(STEP, {"code": now_code(responder)})
    assert answer.headers["Location"] == "/admin/auth/user/sessions/"
    assert is_in(client)
    entry = AuditEntry.objects.get(action="person.signed_in")
    assert entry.after["by"] == "password and authenticator app"


def test_the_admins_own_sign_in_goes_by_the_same_door(responder: User) -> None:
    """Any page draws the sign-in form at its own address where nobody is signed in."""
    add_app(responder)
    client = Client()
    form = {"username": "responder", "password": PASSWORD}
    for path in ("/admin/", "/admin/incidents/incident/", "/admin/no-such-page/"):
        client.post(path, form)
        assert not is_in(client), path


def test_a_code_that_was_used_is_refused(responder: User) -> None:
    add_app(responder)
    code = now_code(responder)
    assert give_password("responder").post(STEP, {"code": code}).status_code == 302
    again = give_password("responder")
    page = again.post(STEP, {"code": code}).content.decode()
    assert "no code that works now" in page
    assert not is_in(again)
    # An older one is as used, though nobody has shown it.
    assert not use_authenticator(person=responder, code=now_code(responder, -1))


def test_a_code_of_somebody_else_is_refused(responder: User, reviewer: User) -> None:
    add_app(responder)
    add_app(reviewer)
    client = give_password("responder")
    client.post(STEP, {"code": now_code(reviewer)})
    assert not is_in(client)


def test_without_the_password_there_is_no_second_step(responder: User) -> None:
    add_app(responder)
    client = Client()
    for method in (client.get, client.post):
        answer = method(STEP, {"code": now_code(responder)})
        assert answer.headers["Location"] == "/admin/login/"
    assert not is_in(client)


@pytest.mark.parametrize("change", ["late", "password", "off"])
def test_second_step_ends_by_time_and_by_changes_of_the_account(
    responder: User, change: str
) -> None:
    add_app(responder)
    client = give_password("responder")
    if change == "late":
        session = client.session
        moment = timezone.now() - dt.timedelta(minutes=6)
        session["sign_in_pending"] |= {"at": moment.isoformat()}
        session.save()
    elif change == "password":
        responder.set_password("another quiet sentence")
        responder.save()
    else:
        User.objects.filter(pk=responder.pk).update(is_active=False)
    answer = client.post(STEP, {"code": now_code(responder)})
    assert answer.headers["Location"] == "/admin/login/"
    assert not AuditEntry.objects.filter(action="person.signed_in").exists()


def test_guessing_codes_is_limited_recorded_and_told(
    responder: User, settings: Settings
) -> None:
    add_app(responder)
    client = give_password("responder")
    statuses = [
        client.post(STEP, {"code": "000000"}).status_code
        for _ in range(settings.AXES_FAILURE_LIMIT)
    ]
    assert statuses[-1] == 429
    assert client.post(STEP, {"code": now_code(responder)}).status_code == 429
    assert not is_in(client)
    actions = AuditEntry.objects.filter(action__startswith="person.").order_by("pk")
    assert actions.filter(action="person.locked_out").count() == 1
    assert "locked for now" in headlines(responder)[-1]


def test_giving_the_password_again_does_not_give_more_guesses(
    responder: User, settings: Settings
) -> None:
    add_app(responder)
    client, statuses = Client(), []
    for _ in range(settings.AXES_FAILURE_LIMIT):
        give_password("responder", client)
        statuses.append(client.post(STEP, {"code": "000000"}).status_code)
    assert statuses[-1] == 429


def test_without_the_password_nobody_is_locked_out_by_codes(
    responder: User, settings: Settings
) -> None:
    add_app(responder)
    for number in range(settings.LOGIN_NAME_LIMIT + 1):
        stranger = Client(REMOTE_ADDR=f"198.51.100.{number}")
        stranger.post(STEP, {"code": "000000", "username": "responder"})
    client = give_password("responder")
    client.post(STEP, {"code": now_code(responder)})
    assert is_in(client)


def test_what_failed_is_kept_without_codes_and_passwords(responder: User) -> None:
    add_app(responder)
    client = give_password("responder")
    client.post(STEP, {"code": "135790"})
    client.post(STEP, {"code": now_code(responder)})
    new = "another quiet sentence"
    client.post(
        "/admin/password_change/",
        {"old_password": "my-old-one", "new_password1": new, "new_password2": new},
    )
    kept = " ".join(row.post_data for row in AccessAttempt.objects.all())
    assert kept
    for secret in ("135790", "my-old-one", new):
        assert secret not in kept


# --- Recovery codes ------------------------------------------------------------------


def test_recovery_code_lets_in_once_and_is_told(responder: User) -> None:
    add_app(responder)
    code = make_recovery_codes(actor=responder)[3]
    client = give_password("responder")
    client.post(STEP, {"code": f" {code.upper()} "})
    assert is_in(client)
    again = give_password("responder")
    again.post(STEP, {"code": code})
    assert not is_in(again)
    told = "A recovery code of your account was used; 9 are left"
    assert told in headlines(responder)
    entry = AuditEntry.objects.get(action="person.recovery_code_used")
    assert entry.after == {"codes_left": 9}


def test_recovery_codes_are_kept_as_digests(responder: User) -> None:
    add_app(responder)
    codes = make_recovery_codes(actor=responder)
    assert len(set(codes)) == 10
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(one)::text FROM evidence_recoverycode one")
        kept = str(cursor.fetchall())
        cursor.execute("SELECT row_to_json(one)::text FROM evidence_auditentry one")
        kept += str(cursor.fetchall())
    assert not any(code in kept or code.replace("-", "") in kept for code in codes)


def test_new_recovery_codes_end_the_old_ones(responder: User) -> None:
    add_app(responder)
    old = make_recovery_codes(actor=responder)
    new = make_recovery_codes(actor=responder)
    assert not use_recovery_code(person=responder, code=old[0])
    assert use_recovery_code(person=responder, code=new[0])


def test_recovery_codes_stand_in_for_a_factor_and_are_none(responder: User) -> None:
    with pytest.raises(FactorError, match="add one first"):
        make_recovery_codes(actor=responder)
    add_app(responder)
    codes = make_recovery_codes(actor=responder)
    remove_authenticator(actor=responder)
    assert not RecoveryCode.objects.exists()
    assert not use_recovery_code(person=responder, code=codes[0])


# --- One's own page ------------------------------------------------------------------


def add_by_page(client: Client) -> str:
    """Add an app as a person does; return the page that answers."""
    page = client.get(f"{PAGE}app/").content.decode()
    spelled = re.findall(r'ev-key">([A-Z2-7 ]+)<', page)[0]
    seed = base64.b32decode(spelled.replace(" ", ""))
    code = code_at(seed, step_at(timezone.now().timestamp()))
    wrong = client.post(f"{PAGE}app/", {"code": "000000"}).content.decode()
    assert "not the code that the app should show" in wrong
    return client.post(f"{PAGE}app/", {"code": code}).content.decode()


def test_app_is_added_by_its_first_code_and_codes_are_shown_once(
    responder: User,
) -> None:
    client = give_password("responder")
    page = add_by_page(client)
    codes = re.findall(r'ev-key">([a-z2-7-]{19})<', page)
    assert len(codes) == 10
    later = client.get(PAGE).content.decode()
    assert not any(code in later for code in codes)
    assert "10 unused" in later
    assert headlines(responder)[1:] == [
        "An authenticator app was added to your account",
        "New recovery codes were made for your account; those before work no more",
    ]
    client.post("/admin/logout/")
    back = give_password("responder")
    back.post(STEP, {"code": codes[0]})
    assert is_in(back)


def test_seed_is_sealed_and_opens_under_a_former_key(
    responder: User, settings: Settings
) -> None:
    seed = add_app(responder)
    app = AuthenticatorApp.objects.get()
    assert seed.hex() not in app.sealed_seed
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-0123456789-abcdefghijklmnopqrstuvwxyz"
    assert open_seed(app.sealed_seed) == seed
    settings.SECRET_KEY_FALLBACKS = []
    assert open_seed(app.sealed_seed) is None
    assert not use_authenticator(person=responder, code="123456")


@pytest.mark.parametrize("do", ["remove-app", "codes"])
def test_changes_of_factors_ask_who_is_there(
    responder: User, settings: Settings, do: str
) -> None:
    settings.PRESENCE_MINUTES = 15
    add_app(responder)
    client = Client()
    client.force_login(responder)
    assert CONFIRM in client.post(PAGE, {"do": do}).headers["Location"]
    assert CONFIRM in client.get(f"{PAGE}app/").headers["Location"]
    assert AuthenticatorApp.objects.exists()
    assert not RecoveryCode.objects.exists()


def test_removing_the_app_is_recorded_and_told(responder: User) -> None:
    add_app(responder)
    client = Client()
    client.force_login(responder)
    client.post(PAGE, {"do": "remove-app"})
    assert AuditEntry.objects.filter(action="person.authenticator_removed").exists()
    assert "was removed" in headlines(responder)[-1]
    assert is_in(give_password("responder"))


def test_a_lost_phone_is_replaced_where_a_factor_is_needed(
    reviewer: User, settings: Settings
) -> None:
    settings.SECOND_FACTOR_ROLES = ["reviewer"]
    add_app(reviewer)
    code = make_recovery_codes(actor=reviewer)[0]
    with pytest.raises(FactorError, match="your only one"):
        remove_authenticator(actor=reviewer)
    before = AuthenticatorApp.objects.get().sealed_seed
    client = give_password("reviewer")
    client.post(STEP, {"code": code})
    add_by_page(client)
    assert AuthenticatorApp.objects.get().sealed_seed != before


# --- Presence ------------------------------------------------------------------------


def test_presence_takes_a_code_in_place_of_the_password(
    administrator: User, settings: Settings
) -> None:
    settings.PRESENCE_MINUTES = 15
    add_app(administrator)
    codes = make_recovery_codes(actor=administrator)
    client = Client()
    client.force_login(administrator)
    wanted = f"{CONFIRM}?next=/admin/auth/user/add/"
    assert client.post(wanted, {"code": "000000"}).status_code == 200
    assert client.post(wanted, {"code": codes[0]}).status_code == 200
    assert client.post(wanted, {}).status_code == 200
    assert PROVED not in client.session
    assert client.post(wanted, {"code": now_code(administrator)}).status_code == 302
    assert client.get("/admin/auth/user/add/").status_code == 200
    assert RecoveryCode.objects.filter(used_at=None).count() == 10


def test_password_still_proves_presence_of_who_has_an_app(
    administrator: User, settings: Settings
) -> None:
    settings.PRESENCE_MINUTES = 15
    add_app(administrator)
    client = Client()
    client.force_login(administrator)
    assert client.post(CONFIRM, {"password": PASSWORD}).status_code == 302
    assert PROVED in client.session


# --- Needed by role ------------------------------------------------------------------

ELSEWHERE = (
    "/admin/",
    "/admin/incidents/incident/",
    "/admin/auth/user/sessions/",
    "/admin/auth/user/settings/",
    "/admin/password_change/",
    "/admin/search/",
)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_who_needs_a_factor_is_led_to_add_one_and_nowhere_else(
    reviewer: User, settings: Settings, path: str
) -> None:
    settings.SECOND_FACTOR_ROLES = ["reviewer", "administrator"]
    client = give_password("reviewer")
    for method in (client.get, client.post):
        assert method(path).headers["Location"] == PAGE
    assert "Your role needs a second factor" in client.get(PAGE).content.decode()
    add_by_page(client)
    assert client.get("/admin/").status_code == 200


def test_the_api_is_shut_as_well_until_then(reviewer: User, settings: Settings) -> None:
    settings.SECOND_FACTOR_ROLES = ["reviewer"]
    client = give_password("reviewer")
    answer = client.get("/api/v1/incidents/")
    assert answer.status_code == 403
    assert "second factor" in answer.json()["detail"]
    add_by_page(client)
    assert client.get("/api/v1/incidents/").status_code == 200


@pytest.mark.parametrize("role", ["responder", "auditor"])
def test_other_roles_need_none(
    role: str, settings: Settings, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(role)
    settings.SECOND_FACTOR_ROLES = ["reviewer", "administrator"]
    assert is_in(give_password(role))


def test_a_superuser_needs_what_administrators_need(
    admin_user: User, settings: Settings, client: Client
) -> None:
    settings.SECOND_FACTOR_ROLES = ["administrator"]
    client.force_login(admin_user)
    assert client.get("/admin/").headers["Location"] == PAGE


def test_a_session_that_has_shown_no_factor_shows_it_first(
    reviewer: User, settings: Settings, client: Client
) -> None:
    """One from before the role was given, or before the setting."""
    client.force_login(reviewer)
    settings.SECOND_FACTOR_ROLES = ["reviewer"]
    add_app(reviewer)
    asked = client.get("/admin/incidents/incident/?q=x").headers["Location"]
    assert asked.startswith(CONFIRM)
    assert client.get(PAGE).headers["Location"].startswith(CONFIRM)
    # The password is known already: it does not stand in here.
    client.post(asked, {"password": PASSWORD})
    assert client.get("/admin/").status_code == 302
    answer = client.post(asked, {"code": now_code(reviewer)})
    assert answer.headers["Location"] == "/admin/incidents/incident/?q=x"
    assert client.get("/admin/").status_code == 200


def test_a_set_password_is_changed_before_the_factor_is_added(
    administrator: User, settings: Settings
) -> None:
    open_break_glass(username="administrator", reason="Locked out.")
    person = User.objects.get(username="administrator")
    person.set_password(PASSWORD)
    person.save()
    settings.SECOND_FACTOR_ROLES = ["administrator"]
    client = give_password("administrator")
    assert client.get("/admin/").headers["Location"] == "/admin/password_change/"
    new = "another quiet sentence"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    client.post("/admin/password_change/", form)
    assert client.get("/admin/").headers["Location"] == PAGE


def test_the_roles_that_can_be_named_are_all_that_people_sign_in_with() -> None:
    names = sorted(role.value for role in set(Role) - {Role.MACHINE})
    told = read_settings("s.SECOND_FACTOR_ROLES", SECOND_FACTOR_ROLES=",".join(names))
    assert str(names) in told.stdout
    default = read_settings("s.SECOND_FACTOR_ROLES")
    assert "['reviewer', 'administrator']" in default.stdout


# --- Lost ----------------------------------------------------------------------------


def test_administrator_removes_lost_factors_recorded_and_told(
    administrator: User, responder: User
) -> None:
    add_app(responder)
    make_recovery_codes(actor=responder)
    open_session = Client()
    open_session.force_login(responder)
    client = Client()
    client.force_login(administrator)
    page = f"/admin/auth/user/{responder.pk}/lost-factors/"
    assert client.post(page, {"reason": ""}).status_code == 200
    assert AuthenticatorApp.objects.exists()
    client.post(page, {"reason": "The phone fell into the sea."})
    assert not AuthenticatorApp.objects.exists()
    assert not RecoveryCode.objects.exists()
    entry = AuditEntry.objects.get(action="person.factors_removed")
    assert entry.before == {
        "authenticator": True,
        "passkeys": [],
        "recovery_codes": 10,
    }
    assert headlines(responder)[-1].startswith("administrator removed")
    assert not is_in(open_session)
    assert is_in(give_password("responder"))


@pytest.mark.parametrize("role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR])
def test_only_administrators_remove_factors_of_others(role: Role) -> None:
    victim = make_person(Role.RESPONDER)
    add_app(victim)
    with pytest.raises(PermissionRefused):
        remove_factors(actor=make_person(role), person_id=victim.pk, reason="Lost.")


def test_nobody_removes_their_own_that_way_or_those_of_a_superuser(
    administrator: User, admin_user: User
) -> None:
    add_app(administrator)
    add_app(admin_user)
    for victim in (administrator, admin_user):
        with pytest.raises(PermissionRefused):
            remove_factors(actor=administrator, person_id=victim.pk, reason="Lost.")


def test_break_glass_takes_the_factors_away_too(administrator: User) -> None:
    add_app(administrator)
    open_session = Client()
    open_session.force_login(administrator)
    _, password = open_break_glass(username="administrator", reason="Phone lost.")
    entry = AuditEntry.objects.get(action="person.break_glass")
    assert entry.before["authenticator"] is True
    assert not is_in(open_session)
    client = Client()
    client.post("/admin/login/", {"username": "administrator", "password": password})
    assert client.session["_auth_user_id"] == str(administrator.pk)


def test_no_page_of_the_site_signs_in_but_by_the_house_door() -> None:
    """Django's own view would leave out the factor and the history."""
    assert resolve("/admin/login/").func.__module__ == "evidence.admin.sign_in"

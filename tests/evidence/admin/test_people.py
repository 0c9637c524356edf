"""Accounts in the admin: changed by services, recorded, nobody by themselves."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db.models import Count
from django.urls import reverse

from evidence.accounts.access import Role
from evidence.accounts.people import (
    change_email,
    change_own_email,
    change_roles,
    create_person,
    reset_password,
    set_active,
)
from evidence.audit.history import SYSTEM_STREAM
from evidence.errors import PermissionRefused, PersonError
from evidence.models import AuditEntry, ReaderSettings
from tests.factories import make_user

pytestmark = pytest.mark.django_db
NEW = "a long enough secret 1"


@pytest.fixture
def admin_client(client):
    client.force_login(make_user(Role.ADMINISTRATOR))
    return client


def page(person, name):
    return f"/admin/auth/user/{person.pk}/{name}/"


def entries():
    rows = AuditEntry.objects.filter(stream=SYSTEM_STREAM, action__startswith="person.")
    return list(rows.order_by("sequence"))


def roles_of(person):
    return set(person.groups.values_list("name", flat=True))


def test_administrator_adds_a_person(admin_client):
    url = reverse("admin:auth_user_add")
    assert admin_client.get(url).status_code == 200
    values = {"username": "nora", "roles": ["responder"], "password": NEW}
    extra = {"is_superuser": "on", "user_permissions": ["1"], "groups": ["1"]}
    admin_client.post(url, {**values, **extra})
    nora = User.objects.get(username="nora")
    assert nora.is_staff
    assert not nora.is_superuser
    assert not nora.user_permissions.exists()
    assert roles_of(nora) == {"responder"}
    assert nora.check_password(NEW)
    (entry,) = entries()
    assert (entry.action, entry.actor_name) == ("person.created", "administrator")
    assert entry.after["roles"] == ["responder"]
    assert NEW not in str(entry.after)


def test_roles_are_changed_with_a_reason_and_recorded(admin_client):
    person = make_user()
    assert admin_client.get(page(person, "roles")).status_code == 200
    admin_client.post(page(person, "roles"), {"roles": ["reviewer"], "reason": "moved"})
    assert roles_of(person) == {"reviewer"}
    (entry,) = entries()
    assert entry.reason == "moved"
    assert entry.before["roles"] == ["responder"]
    assert entry.after["roles"] == ["reviewer"]


def test_nobody_changes_their_own_roles_or_locks_themselves_out(admin_client):
    me = make_user(Role.ADMINISTRATOR)
    answer = admin_client.post(
        page(me, "roles"), {"roles": ["reviewer"], "reason": "x"}, follow=True
    )
    assert "Nobody changes their own roles" in answer.content.decode()
    assert roles_of(me) == {"administrator"}
    with pytest.raises(PermissionRefused):
        set_active(actor=me, person_id=me.pk, is_active=False, reason="x")
    assert entries() == []


def test_password_reset_is_recorded_without_the_password(admin_client):
    person = make_user(Role.REVIEWER)
    values = {"password": NEW, "reason": "lost"}
    admin_client.post(page(person, "password"), values)
    person.refresh_from_db()
    assert person.check_password(NEW)
    (entry,) = entries()
    assert (entry.action, entry.object_label) == ("person.password_reset", "reviewer")
    assert (entry.before, entry.after) == (None, None)


def test_person_is_deactivated_and_let_in_again(admin_client):
    person = make_user()
    for _ in range(2):
        admin_client.post(page(person, "active"), {"reason": "leave"})
    person.refresh_from_db()
    assert person.is_active
    assert [entry.action for entry in entries()] == [
        "person.deactivated",
        "person.reactivated",
    ]


def test_djangos_own_form_changes_nothing(admin_client):
    me = make_user(Role.ADMINISTRATOR)
    url = reverse("admin:auth_user_change", args=[me.pk])
    assert admin_client.get(url).status_code == 200
    admin_client.post(url, {"username": "administrator", "is_superuser": "on"})
    me.refresh_from_db()
    assert not me.is_superuser
    assert admin_client.post(page(me, "delete"), {"post": "yes"}).status_code == 403


def test_groups_are_read_only(admin_client):
    group = Group.objects.get(name="auditor")
    url = reverse("admin:auth_group_change", args=[group.pk])
    assert admin_client.get(url).status_code == 200
    assert admin_client.post(url, {"name": "other"}).status_code == 403
    assert admin_client.get(reverse("admin:auth_group_add")).status_code == 403


def test_only_a_superuser_touches_a_superuser(admin_user):
    with pytest.raises(PermissionRefused, match="superuser"):
        reset_password(
            actor=make_user(Role.ADMINISTRATOR),
            person_id=admin_user.pk,
            password=NEW,
            reason="x",
        )


@pytest.mark.parametrize("role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR])
def test_other_roles_touch_no_account(client, role):
    client.force_login(make_user(role))
    person = make_user(Role.REVIEWER, "somebody")
    for name in ("roles", "password", "active"):
        assert client.post(page(person, name), {"reason": "x"}).status_code == 403
    assert client.get(reverse("admin:auth_user_add")).status_code == 403


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"username": "no spaces"}, "username"),
        ({"username": "RESPONDER"}, "already"),
        ({"roles": []}, "Choose one or more of these roles"),
        ({"roles": ["machine", "reviewer"]}, "no other role"),
        ({"password": "short"}, "password"),
    ],
)
def test_bad_account_is_refused(fields, message):
    make_user()
    values = {"username": "nora", "roles": ["responder"], "password": NEW}
    with pytest.raises(PersonError, match=message):
        create_person(actor=None, **{**values, **fields})


def test_change_of_roles_wants_a_reason():
    with pytest.raises(PersonError, match="reason"):
        change_roles(
            actor=None, person_id=make_user().pk, roles=["auditor"], reason=" "
        )


@pytest.mark.parametrize(
    "name",
    [
        *("Nora", "n\u043era", "n0ra", "nora\u3164", "ｎｏｒａ"),
        # At a glance: accents, letters that differ in their drawing alone.
        *("nóra", "n\u1ecdra", "no\u027ca", "no\u0280a"),
    ],
)
def test_a_name_that_looks_like_somebody_elses_is_refused(admin_client, name):
    make_user(Role.RESPONDER, "nora")
    url = reverse("admin:auth_user_add")
    values = {"username": name, "roles": ["responder"], "password": NEW}
    answer = admin_client.post(url, values)
    said = answer.content.decode()
    told = ("looks like nora", "called nora already", "characters that nobody sees")
    assert any(words in said for words in told)
    assert User.objects.filter(username__startswith="n").count() == 1
    assert entries() == []


@pytest.mark.parametrize(
    "name", ["system", "System", "ѕystem", "anonymous", "no\u3164ra", "\u115f"]
)
def test_a_name_that_is_nobodys_or_hides_something_is_refused(name):
    for make in (make_by_service, make_by_command):
        with pytest.raises((PersonError, CommandError), match=r"username|looks like"):
            make(name)
        assert not User.objects.filter(username=name).exists()


def make_by_service(name):
    create_person(actor=None, username=name, roles=[Role.AUDITOR], password=NEW)


def make_by_command(name):
    call_command("createsuperuser", interactive=False, username=name, email="")


def test_the_command_makes_no_superuser_who_looks_like_somebody():
    make_user(Role.RESPONDER, "nora")
    with pytest.raises(CommandError, match="looks like nora"):
        make_by_command("n0ra")
    assert not User.objects.filter(is_superuser=True).exists()
    make_by_command("norah")
    assert User.objects.get(is_superuser=True).username == "norah"


def test_two_letters_that_read_as_one_make_no_other_name():
    make_user(Role.RESPONDER, "wim")
    with pytest.raises(PersonError, match="looks like wim"):
        make_by_service("vvim")
    make_by_service("vim")


@pytest.mark.parametrize("name", ["lead_one", "lead-one", "lead.one.", "Lead__0ne"])
def test_separators_alone_make_no_other_name(name):
    make_user(Role.RESPONDER, "lead.one")
    with pytest.raises(PersonError, match=r"looks like lead\.one"):
        make_by_service(name)
    make_by_service("leadone")


def test_a_name_that_nobody_has_is_taken(admin_client):
    make_user(Role.RESPONDER, "nora")
    person = create_person(
        actor=None, username="norah", roles=[Role.AUDITOR], password=NEW
    )
    assert person.username == "norah"


class TestEmail:
    def test_an_administrator_changes_it_with_a_reason_and_it_is_recorded(
        self, admin_client
    ):
        person = make_user()
        values = {"email": " new@example.org ", "reason": "married"}
        assert admin_client.get(page(person, "email")).status_code == 200
        admin_client.post(page(person, "email"), values)
        person.refresh_from_db()
        assert person.email == "new@example.org"
        (entry,) = entries()
        assert (entry.action, entry.reason) == ("person.email_changed", "married")
        assert entry.before == {"email": "responder@example.org"}
        assert entry.after == {"email": "new@example.org"}

    @pytest.mark.parametrize(
        "email", ["nobody", "a@b\nBcc: x@y.org", "a@@example.org", "adа@example.org"]
    )
    def test_what_no_mail_goes_to_is_refused(self, email):
        person = make_user()
        with pytest.raises(PersonError) as refusal:
            change_own_email(actor=person, email=email)
        assert (refusal.value.code, refusal.value.field) == ("email_invalid", "email")
        person.refresh_from_db()
        assert person.email == "responder@example.org"
        assert entries() == []

    def test_only_administrators_change_that_of_others(self):
        for role in (Role.RESPONDER, Role.REVIEWER, Role.AUDITOR):
            with pytest.raises(PermissionRefused):
                change_email(
                    actor=make_user(role),
                    person_id=make_user(Role.ADMINISTRATOR).pk,
                    email="me@example.org",
                    reason="x",
                )

    def test_a_page_of_another_is_closed_to_other_roles(self, client):
        person = make_user(Role.REVIEWER)
        client.force_login(make_user())
        assert client.get(page(person, "email")).status_code == 403

    def test_everybody_changes_their_own_and_it_is_recorded(self, client):
        me = make_user(Role.AUDITOR)
        client.force_login(me)
        url = reverse("admin:auth_user_settings")
        assert "auditor@example.org" in client.get(url).content.decode()
        client.post(url, {"email": "mine@example.org", "time_zone": "Europe/Berlin"})
        me.refresh_from_db()
        assert me.email == "mine@example.org"
        actions = {entry.action for entry in AuditEntry.objects.all()}
        assert actions >= {"person.own_email_changed", "reader_settings.changed"}

    def test_a_refused_address_saves_no_zone_and_stays_in_the_form(self, client):
        me = make_user(Role.AUDITOR)
        client.force_login(me)
        values = {"email": "adа@example.org", "time_zone": "Europe/Berlin"}
        answer = client.post(reverse("admin:auth_user_settings"), values)
        assert "adа@example.org" in answer.content.decode()
        assert not ReaderSettings.objects.filter(user=me).exists()


def test_a_role_with_many_permissions_asks_few_queries(
    admin_client, django_assert_max_num_queries
):
    role = Group.objects.annotate(count=Count("permissions")).latest("count")
    assert role.count > 100
    url = reverse("admin:auth_group_change", args=[role.pk])
    with django_assert_max_num_queries(15):
        assert admin_client.get(url).status_code == 200

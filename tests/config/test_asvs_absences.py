"""What the table of ASVS says is not there: others' patterns, hints, files of logs."""

from __future__ import annotations

import ast
import datetime as dt
import re
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from config.logs import make_logging
from evidence.accounts.sessions import list_own_sessions
from tests.access.routes import all_routes
from tests.config.test_asvs_promises import ROOT, calls, is_in, sign_in

pytestmark = pytest.mark.long

OWN_PATTERNS = {
    ("config/launcher/roles.py", "statement"),
    ("evidence/audit/records/installing.py", "recording.when"),
    ("evidence/audit/records/pruned.py", "words"),
    ("evidence/database/reading_role.py", "statement"),
    ("evidence/database/reading_role.py", "revoke"),
    ("evidence/database/reading_role.py", "grant"),
    ("evidence/management/commands/grant_app_role.py", "statement"),
    ("evidence/markup.py", "markup"),  # `fill`: what it is given is looked at too
    ("evidence/services/store/backups.py", "query"),
    ("incidents/findings/records.py", "form"),
    ("incidents/models/restrictions.py", "self.sql"),
}
"""Names under which a module keeps one of several patterns of its own."""
OF_A_RUN = "config/launcher/output.py"
"""What the servers of `make run` print, kept beside their data; production has none."""


def is_written_out(pattern: ast.expr) -> bool:
    """Return whether a pattern stands in the code: a text, a constant, one of two."""
    if isinstance(pattern, ast.IfExp):
        return is_written_out(pattern.body) and is_written_out(pattern.orelse)
    if isinstance(pattern, ast.Call) and ast.unparse(pattern.func).endswith("sql.SQL"):
        return is_written_out(pattern.args[0])
    is_constant = isinstance(pattern, ast.Name) and pattern.id.isupper()
    return isinstance(pattern, ast.Constant) or is_constant


def name_of(pattern: ast.expr) -> str:
    return ast.unparse(pattern.args[0] if isinstance(pattern, ast.Call) else pattern)


def test_no_pattern_of_a_text_is_taken_from_outside() -> None:
    found, tried = set(), 0
    for module, made in calls().items():
        for _, call in made:
            by = call.func
            if isinstance(by, ast.Attribute) and by.attr in ("format", "format_map"):
                tried += 1
                if not is_written_out(by.value):
                    found.add((module, name_of(by.value)))
            if isinstance(by, ast.Name) and by.id in ("fill", "format_html"):
                tried += 1
                if not is_written_out(call.args[0]):
                    found.add((module, name_of(call.args[0])))
    assert found == OWN_PATTERNS
    assert tried > 30


def test_no_account_has_a_hint_or_a_question_or_a_link_for_a_forgotten_password() -> (
    None
):
    words = ("hint", "question", "reset", "forgot", "mothers", "security_answer")
    columns = {
        f"{model._meta.label_lower}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if model._meta.app_label in ("auth", "axes") or "user" in field.name
    }
    named = [*columns, *all_routes()]
    assert [each for each in named if any(word in each for word in words)] == []
    assert "auth.user.password" in columns


@pytest.mark.django_db
def test_a_password_does_not_lapse(responder: User) -> None:
    years_ago = timezone.now() - dt.timedelta(days=3_650)
    User.objects.filter(pk=responder.pk).update(
        date_joined=years_ago, last_login=years_ago
    )
    assert is_in(sign_in(responder))


@pytest.mark.django_db
def test_one_may_be_signed_in_any_number_of_times_and_each_is_listed(
    responder: User,
) -> None:
    browsers = [sign_in(responder) for _ in range(4)]
    assert all(is_in(browser) for browser in browsers)
    key = browsers[0].session.session_key
    assert len(list_own_sessions(responder, key)) == len(browsers)


def test_how_long_a_sign_in_lasts_is_written_beside_what_nist_asks_for() -> None:
    said = " ".join((ROOT / "docs" / "security-model.md").read_text().split())
    made = (ROOT / "config" / "settings.py").read_text()
    hours = re.search(r'"SESSION_HOURS", default=(\d+)', made)
    idle = re.search(r'"SESSION_IDLE_MINUTES", default=(\d+)', made)
    asked = re.search(r'"PRESENCE_MINUTES", default=(\d+)', made)
    assert hours is not None
    assert idle is not None
    assert asked is not None
    assert f"here {hours[1]} hours and {idle[1]} minutes" in said
    assert f"asks again after {asked[1]} minutes" in said


@pytest.mark.parametrize("as_json", [True, False])
def test_lines_of_the_log_go_to_standard_error_and_nowhere_else(as_json: bool) -> None:
    made = make_logging(level="INFO", as_json=as_json)
    assert [each["class"] for each in made["handlers"].values()] == [
        "logging.StreamHandler"
    ]
    assert "stream" not in made["handlers"]["stderr"]
    named = [made["root"], *made["loggers"].values(), *_handlers(settings.LOGGING)]
    used = {handler for each in named for handler in each.get("handlers", ())}
    assert used == {"stderr"}
    opened = [
        (module, called)
        for module, by in calls().items()
        for called, _ in by
        if called.endswith(("FileHandler", "SysLogHandler", "SocketHandler"))
        and module != OF_A_RUN
    ]
    assert opened == []


def _handlers(logging: dict[str, Any]) -> list[dict[str, Any]]:
    return [logging["root"], *logging["loggers"].values()]

"""The matrix is whole: every route is stated, and none is stated that is not there."""

from __future__ import annotations

from django.urls import resolve

from evidence.admin.methods import is_a_class, takes_forms_at
from tests.access.routes import all_routes, bulk_actions, buttons
from tests.access.stated import EVERYBODY, stated_pages
from tests.access.written import DOCUMENT, write
from tests.pages import hostile

PAGES = {path: route for path, route in all_routes().items() if not route.is_api}
CLOSED_BY_DJANGO = ("/add/", "/delete/")
CLOSED_BESIDES = {
    "admin/autocomplete/",
    "admin/r/<path:content_type_id>/<path:object_id>/",
    "admin/<url>",
}


def test_every_page_is_stated_and_every_stated_page_is_there() -> None:
    stated = stated_pages()
    assert set(PAGES) - set(stated) == set(), "State in tests/access who may do what."
    assert set(stated) - set(PAGES) == set(), "There is no such route any more."


def test_every_button_and_bulk_action_is_stated() -> None:
    stated = stated_pages()
    for path in PAGES:
        named = {*buttons(path), *bulk_actions(path)}
        assert named == set(stated[path].buttons), path


def test_no_page_is_closed_to_everybody_without_a_reason() -> None:
    """What nobody may do is Django's own page for it, or stated by name here."""
    stated = stated_pages()
    for path, page in stated.items():
        is_open = bool(page.reads or page.sends)
        assert is_open != bool(page.closed), path
        assert all(page.buttons.values()), path
        if page.closed:
            assert path.endswith(CLOSED_BY_DJANGO) or path in CLOSED_BESIDES, path
    assert len(stated) > 200


def test_only_the_doors_are_open_to_everybody() -> None:
    opened = {
        path
        for path, page in stated_pages().items()
        if EVERYBODY in (page.reads, page.sends)
    }
    doors = {"", "factor/", "passkey/", "single/", "single/return/"}
    doors = {f"admin/login/{door}" for door in doors} | {"admin/logout/"}
    assert opened == {"", "favicon.ico", *doors}


def test_the_document_says_what_is_stated() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == write(), "Run `make access`."


def test_a_page_takes_forms_where_it_is_stated_to_and_nowhere_else() -> None:
    """What evidence/admin/methods.py lets through is what is stated."""
    for path, page in stated_pages().items():
        address = hostile.fill(path, {"*": "1"})
        match = resolve(address)
        expected = bool(page.sends or page.buttons)
        # What Django has a form for, it refuses by right and not by method.
        is_by_right = not expected and path.endswith((*CLOSED_BY_DJANGO, "/change/"))
        if not is_by_right and not is_a_class(match.func):
            assert takes_forms_at(match.func, match) == expected, path

"""The matrix is whole: every route is stated, and none is stated that is not there."""

from __future__ import annotations

from collections import Counter

from django.urls import resolve

from evidence.admin.methods import is_a_class, takes_forms_at
from evidence.models.case_bound import CaseBound
from tests.access.routes import all_routes, bulk_actions, buttons
from tests.access.stated import EVERYBODY, Row, stated_pages
from tests.access.stated_api import stated_resources
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
    doors = {"", "factor/", "passkey/", "single/", "single/return/", "single/ended/"}
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


def test_whose_row_each_address_names_is_stated_as_its_model_is() -> None:
    """A case's rows are hidden with it; a new kind of row has to say which it is."""
    counted: Counter[Row] = Counter()
    for path, page in stated_pages().items():
        assert page.row is not None, path
        arguments = hostile.arguments_of(path) - {"form", "table", "app_label", "url"}
        is_row = bool(arguments) and not page.closed.startswith("Django's way")
        assert (page.row is not Row.NONE) == is_row, path
        if is_row and page.row is not Row.OWN:
            is_bound = issubclass(hostile.model_of(path), CaseBound)
            assert (page.row is Row.OF_A_CASE) == is_bound, path
        counted[page.row] += 1
    assert counted[Row.OF_A_CASE] > 100


def test_whose_row_each_resource_names_is_stated_as_its_model_is() -> None:
    for path, resource in stated_resources().items():
        arguments = hostile.arguments_of(path) - {"filename"}
        assert (resource.row is not Row.NONE) == bool(arguments), path
        view = all_routes()[path].resource
        rows = getattr(view, "queryset", None)
        if arguments and rows is not None:
            is_bound = issubclass(rows.model, CaseBound)
            assert (resource.row is Row.OF_A_CASE) == is_bound, path

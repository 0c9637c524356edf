"""The filled world that the tests of pages have: a row of everything."""

from tests.pages.conftest import (  # noqa: F401 (fixtures)
    _django_db_helper,
    everything,
    evidence_folder,
    filled,
    shared_store,
)

"""A slow store holds as many threads as may wait for it, and no more."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evidence import storage
from evidence.errors import StorageBusy
from evidence.storage.turns import Turns, turns
from tests.evidence.helpers import receive
from tests.factories import make_incident

DATA = b"evidence"


@pytest.fixture
def stored(settings):
    with storage.receive_stream(io.BytesIO(DATA)) as incoming:
        incoming.keep()
    settings.STORE_WAITERS = 1
    return incoming.sha256_hex


def receive_data():
    with storage.receive_stream(io.BytesIO(DATA)) as incoming:
        incoming.keep()


def test_who_comes_on_top_is_told_to_come_back(stored):
    asks = (receive_data, lambda: storage.open_intact(stored).close())
    with turns.turn(), ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(ask) for ask in asks * 2]
        answers = [type(wait.exception(timeout=30)) for wait in waits]
    assert answers == [StorageBusy] * 4


def test_a_turn_that_ends_is_the_next_ones(stored):
    own, began = Turns(patience_seconds=60), threading.Event()

    def have_a_turn():
        began.set()
        with own.turn():
            return True

    with ThreadPoolExecutor(1) as pool:
        with own.turn():
            waiting = pool.submit(have_a_turn)
            assert began.wait(30)
        assert waiting.result(timeout=60)
    receive_data()


def test_probes_take_no_turn(stored):
    with turns.turn():
        storage.require_intact(stored)


def test_an_upload_is_refused_whole(db, client, responder, settings):
    incident = make_incident()
    settings.STORE_WAITERS = 1
    with turns.turn(), pytest.raises(StorageBusy, match="try again"):
        receive(incident.pk, b"a log", "runtime.log", actor=responder)
    assert not incident.evidence_items.exists()
    assert receive(incident.pk, b"a log", "runtime.log", actor=responder).size_bytes

"""Why a webhook was not reached, whose certificates it may have, and for how long."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_django import Settings

from incidents.services.notifications.posting import Posted, post, time_limit
from incidents.services.notifications.webhooks import make_service
from tests.config.test_settings import read_settings
from tests.incidents.notifications.sinks import Sink, _Webhook


def make_certificate(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 that is its own authority, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an inner room")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "server.pem").write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(pem)
    )
    return folder


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls_sink(certificates: Path) -> Iterator[Sink]:
    """Run a webhook service behind a certificate that no public authority issued."""
    sink = Sink()
    handler = type("Webhook", (_Webhook,), {"sink": sink})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def post_to(address: str, *, silent_seconds: float = 5.0) -> Posted:
    service = make_service(address)
    assert service is not None
    service.socket_connect_timeout = service.socket_read_timeout = silent_seconds
    return post(service, title="A warning", body="error=503\nConnection refused")


def test_private_authority_is_trusted_once_it_is_named(
    tls_sink: Sink, certificates: Path, settings: Settings
) -> None:
    settings.WEBHOOK_CA_FILE = str(certificates / "authority.pem")
    assert post_to(f"jsons://127.0.0.1:{tls_sink.port}/x").sent
    assert len(tls_sink.received) == 1


def test_certificate_of_nobody_known_is_named_as_the_reason(tls_sink: Sink) -> None:
    posted = post_to(f"jsons://127.0.0.1:{tls_sink.port}/x")
    assert not posted.sent
    assert "certificate could not be verified" in posted.reason.text
    assert "WEBHOOK_CA_FILE" in posted.reason.text
    assert not posted.reason.may_have_arrived
    assert tls_sink.received == []


def test_name_that_nobody_knows_is_named_as_the_reason() -> None:
    posted = post_to("json://nowhere.invalid/x")
    assert posted.reason.text == "The name of the service was not found (DNS)."
    assert not posted.reason.may_have_arrived


def test_closed_port_is_named_as_the_reason() -> None:
    posted = post_to("json://127.0.0.1:1/x")
    assert posted.reason.text == "The service refused the connection."
    assert not posted.reason.may_have_arrived


def test_plain_service_behind_an_address_for_tls_is_named_as_the_reason(
    webhook_sink: Sink,
) -> None:
    posted = post_to(f"jsons://127.0.0.1:{webhook_sink.port}/x")
    assert "secure connection (TLS)" in posted.reason.text


def test_silent_service_may_have_the_message() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        posted = post_to(f"json://127.0.0.1:{port}/x", silent_seconds=0.3)
    assert posted.reason.text == "The service did not answer in time."
    assert posted.reason.may_have_arrived


def test_service_that_drips_is_left_when_the_time_is_up(
    webhook_sink: Sink, settings: Settings
) -> None:
    settings.SENDING_SECONDS = 1.5
    webhook_sink.hold_next()
    posted = post_to(f"json://127.0.0.1:{webhook_sink.port}/x")
    assert not posted.sent
    assert posted.reason.text == "The service did not answer in time."
    assert posted.reason.may_have_arrived
    assert len(webhook_sink.received) == 1
    # It held the sender only: the next message goes out.
    webhook_sink.release.set()
    assert post_to(f"json://127.0.0.1:{webhook_sink.port}/x").sent


def test_thread_is_told_when_the_time_is_up_and_goes_on(
    webhook_sink: Sink, settings: Settings
) -> None:
    settings.SENDING_SECONDS = 1.0
    webhook_sink.hold_next()
    address = f"json://127.0.0.1:{webhook_sink.port}/x"
    with ThreadPoolExecutor(1) as pool:
        posted = pool.submit(post_to, address).result()
        assert posted.reason.text == "The service did not answer in time."
        assert posted.reason.may_have_arrived
        webhook_sink.release.set()
        assert pool.submit(post_to, address).result().sent


def test_limit_of_a_thread_is_taken_away_with_the_block() -> None:
    def wait_after_it() -> str:
        with time_limit(0.2):
            pass
        threading.Event().wait(0.4)
        return "untold"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(wait_after_it).result() == "untold"


TRACED = """
import cProfile, threading
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from incidents.services.notifications.posting import time_limit

def hold():
    with time_limit(60):
        pass

with ThreadPoolExecutor(1) as pool:
    pool.submit(hold).result()
profile = cProfile.Profile()
profile.enable()
threading.Event().wait(0.01)
profile.disable()
print("went on")
"""


@pytest.mark.live
def test_limit_of_a_thread_leaves_the_interpreter_nothing_to_look_for() -> None:
    """A mark that is left behind costs every step, and a traced one never ends."""
    done = subprocess.run(
        [sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "went on\n", done.stderr


def test_status_is_what_the_service_answered_and_not_what_the_text_says(
    webhook_sink: Sink,
) -> None:
    webhook_sink.code = 404
    assert post_to(f"json://127.0.0.1:{webhook_sink.port}/x").status == 404


def test_limit_is_taken_away_with_the_block() -> None:
    with time_limit(0.2):
        pass
    threading.Event().wait(0.4)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, marks=pytest.mark.slow),
        pytest.param("", marks=pytest.mark.slow),
        "no certificate",
    ],
)
def test_file_without_authorities_stops_the_start(
    content: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_text(content)
    told = read_settings("''", WEBHOOK_CA_FILE=str(path))
    assert told.returncode != 0
    assert f"ImproperlyConfigured: WEBHOOK_CA_FILE names {path}" in told.stderr

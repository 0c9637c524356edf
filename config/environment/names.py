"""Reading names of the web: hosts, origins, networks, addresses of mail."""

from __future__ import annotations

import ipaddress
import re
from email.utils import parseaddr
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

from config.environment.faults import gathered, read_each
from config.environment.values import read_required, read_text, read_words

# Django's own grammar of the header (django.http.request), without a port; a dot in
# front means the name and all below it.
HOST = re.compile(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)*\.?|\[[a-f0-9:.]*:[a-f0-9:.]+\]", re.I)
WEB = ("https", "http")


def split_url(name: str, url: str, *, schemes: tuple[str, ...]) -> SplitResult:
    """Return the parts of a URL of one of these schemes.

    Raise ImproperlyConfigured otherwise, without the URL, which may hold a password,
    and without the library's words, which may quote a part of it.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} is not a URL. Write what is special in a name or a password as "
            "percent codes: %2F for a slash, %40 for an at sign, %23 for a hash, %3F "
            "for a question mark; a port is a number"
        ) from None
    if parts.scheme not in schemes or not url.startswith(f"{parts.scheme}://"):
        raise ImproperlyConfigured(
            f"{name} must start with {' or '.join(f'{one}://' for one in schemes)}"
        )
    if "#" in url:
        raise ImproperlyConfigured(
            f"{name} has a hash, where a URL ends. In a password it is written %23"
        )
    if re.search(r"\s", url):
        raise ImproperlyConfigured(f"{name} has a blank in it")
    return parts


@gathered()
def read_hosts(name: str, *, example: str) -> list[str]:
    """Return host names without blanks. Raise ImproperlyConfigured for `*` or none."""
    hosts = [
        host
        for word in read_required(name, example=example).split(",")
        if (host := word.strip())
    ]
    if not hosts:
        raise ImproperlyConfigured(f"{name} must list host names, such as {example}")

    def read_host(host: str) -> str:
        if host == "*":
            raise ImproperlyConfigured(
                f"{name} must list host names, such as {example}; `*` would believe "
                "any name that a visitor sends"
            )
        if not HOST.fullmatch(host):
            raise ImproperlyConfigured(
                f"{name} must list host names, such as {example}, without scheme, port "
                f"and path; got {host!r}. `.example.org` is every name below one"
            )
        return host

    return read_each(name, hosts, read_host)


@gathered()
def read_site(name: str, *, example: str) -> str:
    """Return the address of a site, without a slash at its end."""
    url = read_required(name, example=example).rstrip("/")
    parts = split_url(name, url, schemes=WEB)
    if parts.path or parts.query or not _is_host(parts):
        raise ImproperlyConfigured(
            f"{name} must be a scheme and a host, such as {example}"
        )
    return url


@gathered()
def read_origins(name: str) -> list[str]:
    """Return comma-separated origins; `https://*.example.org` is every name below."""

    def read_origin(origin: str) -> str:
        parts = split_url(name, origin.replace("://*.", "://", 1), schemes=WEB)
        if parts.path or parts.query or not _is_host(parts):
            raise ImproperlyConfigured(
                f"{name} must list origins, such as https://casefile.example.org, "
                f"without a path; got {origin!r}"
            )
        return origin

    return read_each(name, read_words(name), read_origin)


@gathered()
def read_endpoint(name: str) -> str:
    """Return the address of a service of the web, or ""."""
    url = read_text(name)
    if url and not _is_host(split_url(name, url, schemes=WEB)):
        raise ImproperlyConfigured(
            f"{name} must be an address such as https://s3.example.org"
        )
    return url


@gathered()
def read_networks(name: str) -> list[str]:
    """Return comma-separated IP networks. Raise ImproperlyConfigured for any other."""

    def read_network(network: str) -> str:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name} must list networks, such as 10.0.0.0/8: {error}"
            ) from error
        return network

    return read_each(name, read_words(name), read_network)


@gathered()
def read_sender(name: str, *, default: str) -> str:
    """Return an address of mail, alone or as `Name <name@example.org>`."""
    sender = read_text(name, default=default)
    try:
        validate_email(parseaddr(sender)[1])
    except ValidationError:
        raise ImproperlyConfigured(
            f"{name} must be an address such as casefile@example.org or "
            f"Casefile <casefile@example.org>, got {sender!r}"
        ) from None
    return sender


def _is_host(parts: SplitResult) -> bool:
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    return bool(HOST.fullmatch(host)) and not host.startswith(".")

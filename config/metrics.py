"""/metrics for Prometheus, for those who may read it."""

import ipaddress
import secrets
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import CollectorRegistry, generate_latest


def find_metrics_response(request: HttpRequest) -> HttpResponse | None:
    """Return the metrics, a refusal, or None if the request is for something else."""
    if request.path_info != "/metrics":
        return None
    if not _may_read(request):
        return HttpResponse(
            "Metrics are for addresses in METRICS_ALLOWED and bearers of "
            "METRICS_TOKEN.\n",
            status=HTTPStatus.FORBIDDEN,
            content_type="text/plain",
        )
    response = ExportToDjangoView(request)
    response.write(_read_collectors())
    return response


def _read_collectors() -> bytes:
    """Return the figures that apps read when asked, the same from every process."""
    registry = CollectorRegistry()
    for path in settings.METRICS_COLLECTORS:
        registry.register(import_string(path)())
    return generate_latest(registry)


def _may_read(request: HttpRequest) -> bool:
    return _has_token(request) or _is_allowed(request.META.get("REMOTE_ADDR", ""))


def _has_token(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    expected = settings.METRICS_TOKEN
    same = secrets.compare_digest(given.strip().encode(), expected.encode())
    return bool(expected) and scheme.lower() == "bearer" and same


def _is_allowed(address: str) -> bool:
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return False
    networks = map(ipaddress.ip_network, settings.METRICS_ALLOWED)
    return any(client in network for network in networks)

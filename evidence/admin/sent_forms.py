"""Forms sent while nobody was signed in are kept; forms sent twice are done once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from evidence.admin.base import person_of
from evidence.form_keys import KEY_NAME, read_key
from evidence.services.sent_forms import (
    await_answer,
    claim_form,
    finish_form,
    release_form,
)

SESSION_NAME = "unsent_form"
DONE_COOKIE = "casefile_done"
DONE_SHOWN = 10
DONE_SECONDS = 24 * 3600
KEPT_CHARACTERS = 200_000
"""The most that is kept over a sign-in: more than the longest text of any form."""
# A repeat may differ in these: they say where from, and not what.
KEPT_BYTES = 1024 * 1024
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
NOT_CONTENT = ("csrfmiddlewaretoken", KEY_NAME, "next")
NONCE = re.compile(r"[A-Za-z0-9_-]{10,40}")


def keep_unsent(request: HttpRequest) -> bool:
    """Keep a form that could not be taken in for after the sign-in; say if it was."""
    key = read_key(request.POST.get(KEY_NAME, ""))
    if key is None or key.is_secret:
        return False
    text = _content(request.POST).urlencode()
    if len(text) > KEPT_CHARACTERS * 3:
        return False
    request.session[SESSION_NAME] = {
        "person": key.person_pk,
        "path": request.path,
        "next": request.POST.get("next", ""),
        "text": text,
    }
    return True


def typed_texts(request: HttpRequest) -> dict[str, str]:
    """Return the texts of a form that nothing is known of, but for its secrets."""
    return {
        name: text
        for name, text in _content(request.POST).items()
        if isinstance(text, str) and text.strip() and "password" not in name
    }


def has_unsent(request: HttpRequest) -> bool:
    """Return whether something is kept that this person sent to this address."""
    kept = request.session.get(SESSION_NAME)
    if not kept or kept["path"] != request.path:
        return False
    return bool(kept["person"] == person_of(request).pk)


def take_unsent(request: HttpRequest) -> QueryDict | None:
    """Return what this person sent to this address before the sign-in, once."""
    if not has_unsent(request):
        return None
    kept = request.session.pop(SESSION_NAME)
    data = QueryDict(kept["text"], mutable=True)
    data["next"] = kept["next"]
    return data


def answer_once(request: HttpRequest, run: Callable[[], HttpResponse]) -> HttpResponse:
    """Carry a form out, or lead a repeat to the answer of the first.

    `run` raises where it refuses; the form may then be sent again. A form without a
    key, as a program sends it, is always new.
    """
    key = read_key(request.POST.get(KEY_NAME, ""))
    sender = person_of(request)
    if key is None or key.person_pk != sender.pk:
        return run()
    claim, is_first = claim_form(sender=sender, key=key.nonce, digest=_digest(request))
    if not is_first:
        url = await_answer(claim)
        if url:
            messages.info(request, "This was sent before, and is done only once.")
            return HttpResponseRedirect(url)
        return run()
    try:
        response = run()
    except BaseException:
        release_form(claim)
        raise
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        release_form(claim)
        return response
    # A page that is its own answer names the one to be led to another time.
    where = response.headers.get("Location") or response.headers.get("Content-Location")
    finish_form(claim, answer_url=where or request.path)
    note_done(request, response)
    return response


def note_done(request: HttpRequest, response: HttpResponse) -> None:
    """Tell the page's script which forms were taken in: their drafts can go."""
    key = read_key(request.POST.get(KEY_NAME, ""))
    if key is None:
        return
    before = request.COOKIES.get(DONE_COOKIE, "").split(".")
    done = [nonce for nonce in before if NONCE.fullmatch(nonce)]
    response.set_cookie(
        DONE_COOKIE,
        ".".join([*done, key.nonce][-DONE_SHOWN:]),
        max_age=DONE_SECONDS,
        secure=request.is_secure(),
        samesite="Strict",
    )


def _content(data: QueryDict) -> QueryDict:
    content = data.copy()
    for name in NOT_CONTENT:
        content.pop(name, None)
    return content


def _digest(request: HttpRequest) -> str:
    digest = hashlib.sha256(request.path.encode())
    digest.update(_content(request.POST).urlencode().encode())
    for name, files in request.FILES.lists():
        for file in files:
            digest.update(f"\n{name}\n{getattr(file, 'name', '')}\n".encode())
            for chunk in _chunks(file):
                digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: Any) -> Any:
    yield from file.chunks()
    file.seek(0)


class UnsentFormMiddleware:
    """Keep what a person sends after their session ended until they are back."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> None:
        if request.method != "POST" or request.user.is_authenticated:
            return
        # The API signs nobody in, and reads its bodies itself, to their very end.
        if not request.path_info.startswith(reverse("admin:index")):
            return
        # An upload of any size is not read for somebody who is not signed in.
        length = request.META.get("CONTENT_LENGTH") or "0"
        if request.content_type in FORM_TYPES and int(length) <= KEPT_BYTES:
            keep_unsent(request)

"""Pages that take a file into a case, and lists that can be exported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from evidence.errors import CasefileError
from policy.admin.forms import PageForm

REFUSED_STATUS = 409


def take_in(
    request: HttpRequest,
    admin: Any,
    *,
    permission: str,
    form_class: type[PageForm],
    run: Callable[[PageForm], tuple[str, str]],
    title: str,
    button: str,
    explained: str,
) -> HttpResponse:
    """Show a form, or read it and call a service.

    `run` returns where to go and what to say; what it refuses is shown by the form.
    """
    if not request.user.has_perm(permission):
        raise PermissionDenied
    initial = {"incident": request.GET.get("incident", "")[:18]}
    form = form_class(
        request.POST if request.method == "POST" else None,
        request.FILES if request.method == "POST" else None,
        initial=initial,
        user=request.user,
    )
    status = 200
    if request.method == "POST":
        status = REFUSED_STATUS
        if form.is_valid():
            try:
                url, words = run(form)
            except CasefileError as error:
                path = getattr(error, "path", None)
                where = f"{path}: " if path else ""
                form.add_error(None, f"{where}{error.message}")
            else:
                messages.success(request, words)
                return HttpResponseRedirect(url)
    context = {
        **admin.admin_site.each_context(request),
        "title": title,
        "opts": admin.opts,
        "form": form,
        "button": button,
        "explained": explained,
    }
    return TemplateResponse(request, "policy/take_in.html", context, status=status)

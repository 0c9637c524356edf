"""Pages that take a file into a case, and lists that can be exported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.form_fields import PageForm
from evidence.admin.telling import tell
from evidence.errors import CasefileError


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

    def make(data: Any, files: Any) -> PageForm:
        return form_class(data, files, initial=initial, user=request.user)

    def carry_out(form: PageForm) -> HttpResponse:
        url, words = run(form)
        tell(request, words)
        return HttpResponseRedirect(url)

    def show(form: PageForm, error: CasefileError | None) -> HttpResponse:
        return draw_page(
            request,
            "policy/take_in.html",
            title=title,
            opts=admin.opts,
            form=form,
            button=button,
            explained=explained,
        )

    return answer_form(request, make=make, run=carry_out, show=show)

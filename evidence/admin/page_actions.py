"""Buttons of a page that open a form, call a service and tell the result.

A page's admin class names its actions in `page_actions` and says how an object is
found, shown and addressed; everything else is here, once for all apps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.urls import URLPattern, reverse

from evidence.accounts.access import require_permission
from evidence.admin.base import CasefileAdmin, person_of, way_back
from evidence.admin.form_answers import answer_form
from evidence.admin.methods import takes_forms
from evidence.admin.presence_page import ask_presence
from evidence.admin.sent_forms import has_unsent
from evidence.admin.telling import tell
from evidence.errors import PermissionRefused

NOTHING_SENT = (
    "Nothing was saved: this address only takes what a form sends. If you were writing "
    "when your sign-in ended, write it again."
)
REVIEWING = "review_"
# What the page's script sends along, to lay the answer over the page on screen.
IN_PLACE = "X-Casefile-In-Place"
Run = Callable[[HttpRequest, Any, dict[str, Any]], str | HttpResponse]


@dataclass(frozen=True)
class PageAction:
    """A button: its form, the permission to see it, and the service it calls.

    `run` returns what to tell the person, "" where it did so itself, or a response.
    `applies` says whether the object is in a state for it, `offered_to` whether it is
    this person's to do; the service judges both again.
    `fields` names the field that a refusal belongs to, by the error's code. `about`
    says which part of the object a form is about, where the page has several such.
    """

    label: str
    button: str
    form: Callable[..., forms.Form]
    run: Run
    permission: str
    help: str = ""
    tone: str = ""
    icon: str = ""
    applies: Callable[[Any], bool] = field(default=lambda obj: True)
    offered_to: Callable[[Any, Any], bool] = field(default=lambda obj, user: True)
    fields: Mapping[str, str] = field(default_factory=dict)
    about: Callable[[Any, forms.Form], str] = field(default=lambda obj, form: "")

    @property
    def asks_presence(self) -> bool:
        """Return whether the password is asked again: a reviewer's right is taken."""
        return self.permission.rpartition(".")[2].startswith(REVIEWING)


@dataclass(frozen=True)
class RefusedForm:
    """A form that was not carried out, to be shown again as it was typed."""

    key: str
    action: PageAction
    form: forms.Form
    url: str
    about: str
    here: str
    """The address of the page that the form was sent from."""


class ActionPages(CasefileAdmin):
    """Gives an admin class `do/<action>/` below the page of each of its objects."""

    page_actions: Mapping[str, PageAction]

    def find(self, request: HttpRequest, pk: Any) -> Any:
        """Return the object; raise Http404 for a hidden and a missing one alike."""
        raise NotImplementedError

    def page_of(self, obj: Any) -> str:
        """Return the address of the object's page."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[obj.pk])

    def show(
        self, request: HttpRequest, obj: Any, *, refused: RefusedForm | None = None
    ) -> HttpResponse:
        """Draw the object's page, with the refused form where there is one."""
        raise NotImplementedError

    def action_url(self, obj: Any, key: str) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_do"
        return reverse(name, args=[obj.pk, key])

    def get_urls(self) -> list[URLPattern]:
        if not self.page_actions:
            return super().get_urls()
        own = self.page("<int:pk>/do/<slug:action>/", self.do_view, "do")
        return [own, *super().get_urls()]

    @takes_forms
    def do_view(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Read the form of an action and call its service."""
        obj = self.find(request, pk)
        chosen = self.page_actions.get(action)
        if chosen is None:
            raise Http404("no such action")
        if request.method != "POST" and not has_unsent(request):
            messages.warning(request, NOTHING_SENT)
            return HttpResponseRedirect(_with_query(request, self.page_of(obj)))
        _require(request, chosen)
        asked = ask_presence(request) if chosen.asks_presence else None
        if asked is not None:
            return _lead_in_place(request, asked)
        response = answer_form(
            request,
            make=lambda data, files: chosen.form(
                data, files, obj=obj, user=request.user
            ),
            run=lambda form: self._carry_out(request, obj, chosen, form),
            show=lambda form, error: self._show_again(request, obj, action, form),
            fields=chosen.fields,
        )
        return _lead_in_place(request, response)

    def _carry_out(
        self, request: HttpRequest, obj: Any, chosen: PageAction, form: forms.Form
    ) -> HttpResponse:
        answer = chosen.run(request, obj, form.cleaned_data)
        if isinstance(answer, HttpResponse):
            return answer
        if answer:
            tell(request, answer)
        return HttpResponseRedirect(way_back(request, request.POST, self.page_of(obj)))

    def _show_again(
        self, request: HttpRequest, obj: Any, key: str, form: forms.Form
    ) -> HttpResponse:
        """Draw the page that the form was sent from, as it is now, and the form."""
        chosen = self.page_actions[key]
        here = way_back(request, form.data, self.page_of(obj))
        request.GET = QueryDict(urlsplit(here).query)
        refused = RefusedForm(
            key=key,
            action=chosen,
            form=form,
            url=self.action_url(obj, key),
            about=chosen.about(obj, form),
            here=here,
        )
        return self.show(request, obj, refused=refused)

    def offer(self, request: HttpRequest, obj: Any) -> dict[str, PageAction]:
        """Return the actions that this person has now, by their key."""
        return {
            key: action
            for key, action in self.page_actions.items()
            if request.user.has_perm(action.permission)
            and action.applies(obj)
            and action.offered_to(obj, request.user)
        }


def _lead_in_place(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Tell the page's script where an answer leads.

    It would follow a redirect unseen, and read what the next page has to say.
    """
    if IN_PLACE not in request.headers or "Location" not in response.headers:
        return response
    answer = JsonResponse({"location": response.headers["Location"]})
    answer.cookies = response.cookies
    return answer


def _require(request: HttpRequest, action: PageAction) -> None:
    try:
        require_permission(person_of(request), action.permission)
    except PermissionRefused as error:
        raise PermissionDenied(error.message) from error


def _with_query(request: HttpRequest, page: str) -> str:
    query = request.META.get("QUERY_STRING", "")
    return f"{page}?{query}" if query else page

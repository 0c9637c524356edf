"""What the buttons of a postmortem's page do: each reads a form and calls a service."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from evidence.admin.base import person_of
from evidence.admin.form_fields import LongTextField, PageForm
from evidence.admin.page_actions import PageAction
from evidence.admin.telling import Waiting, tell
from evidence.text import REASON_LENGTH
from incidents.models import Postmortem
from incidents.services.changes import REVIEW, WORK
from incidents.services.findings.gathering import look_again
from incidents.services.postmortems.archiving import archive_again
from incidents.services.postmortems.drafts import take_up_again
from incidents.services.postmortems.pdfs import READ, request_pdf
from incidents.services.postmortems.reviews import (
    return_postmortem,
    sign_postmortem,
    submit_postmortem,
)
from incidents.services.postmortems.signatures import signature_of

Data = dict[str, Any]
NUMBER_MAX = 2**31 - 1


class SubmitForm(PageForm):
    """Nothing to fill in: what was saved is what is submitted."""


class SignForm(PageForm):
    version = forms.CharField(widget=forms.HiddenInput)
    content_sha256 = forms.CharField(required=False, widget=forms.HiddenInput)
    comment = LongTextField(required=False, max_length=REASON_LENGTH)


class VersionForm(PageForm):
    version = forms.CharField(widget=forms.HiddenInput)


class ReturnForm(PageForm):
    version = forms.CharField(widget=forms.HiddenInput)
    comment = LongTextField(label="What is to be mended", max_length=REASON_LENGTH)


class TakeUpForm(PageForm):
    reason = LongTextField(label="Why", max_length=REASON_LENGTH)


def submit(request: HttpRequest, postmortem: Postmortem, data: Data) -> str:
    version = submit_postmortem(actor=person_of(request), postmortem_id=postmortem.pk)
    return Waiting(
        f"Version {version.number} is submitted: a reviewer can sign it now."
    )


def _sign(request: HttpRequest, postmortem: Postmortem, data: Data) -> str:
    review = sign_postmortem(
        actor=person_of(request),
        version_id=_version_id(data["version"], postmortem),
        content_sha256=data["content_sha256"],
        comment=data["comment"],
    )
    return Waiting(
        f"Version {review.version.number} is signed. A worker archives it as evidence."
    )


def _return(request: HttpRequest, postmortem: Postmortem, data: Data) -> str:
    review = return_postmortem(
        actor=person_of(request),
        version_id=_version_id(data["version"], postmortem),
        comment=data["comment"],
    )
    return f"Version {review.version.number} is returned to its authors."


def _take_up(request: HttpRequest, postmortem: Postmortem, data: Data) -> HttpResponse:
    """Open the text again, and show it rather than the version that was looked at."""
    take_up_again(
        actor=person_of(request), postmortem_id=postmortem.pk, reason=data["reason"]
    )
    messages.success(request, "The postmortem is open for writing again.")
    page = reverse("admin:incidents_postmortem_change", args=[postmortem.pk])
    return HttpResponseRedirect(page)


def _findings(request: HttpRequest, postmortem: Postmortem, data: Data) -> str:
    standing = look_again(postmortem.incident)
    if standing is not None:
        return (
            "Nothing changed since the evidence was read, at "
            f"{standing.read_at:%Y-%m-%d %H:%M} UTC: the findings are of that."
        )
    return Waiting(
        "A worker looks for findings again. Read the page again in a moment."
    )


def _pdf(request: HttpRequest, postmortem: Postmortem, data: Data) -> HttpResponse:
    """Ask for the PDF, and show the version that it is of."""
    pdf = request_pdf(
        actor=person_of(request), version_id=_version_id(data["version"], postmortem)
    )
    said = "The PDF is made: download it under Export."
    if pdf.is_pending:
        said = Waiting("A worker makes the PDF. This page shows when it is ready.")
    tell(request, said)
    page = reverse("admin:incidents_postmortem_change", args=[postmortem.pk])
    return HttpResponseRedirect(f"{page}?version={pdf.version.number}")


def _archive_again(request: HttpRequest, postmortem: Postmortem, data: Data) -> str:
    version = postmortem.versions.get(pk=_version_id(data["version"], postmortem))
    review = signature_of(version)
    if review is None:
        raise Http404
    archive_again(actor=person_of(request), review_id=review.pk)
    return Waiting(f"A worker archives version {version.number} again.")


def _version_id(number: str, postmortem: Postmortem) -> int:
    """Return the version that the page showed; 404 for one of another postmortem."""
    if not number.isdecimal() or len(number) > 9:
        raise Http404
    version = postmortem.versions.filter(number=int(number)).first()
    if version is None:
        raise Http404
    return version.pk


ACTIONS: dict[str, PageAction] = {
    "submit": PageAction(
        "Submit the postmortem",
        "Submit it",
        SubmitForm,
        submit,
        WORK,
        icon="outgoing_mail",
    ),
    "sign": PageAction(
        "Sign the postmortem", "Sign this version", SignForm, _sign, REVIEW
    ),
    "return": PageAction(
        "Return the postmortem",
        "Return it to its authors",
        ReturnForm,
        _return,
        REVIEW,
        fields={"reason": "comment"},
    ),
    "take-up": PageAction(
        "Take the postmortem up again", "Take it up again", TakeUpForm, _take_up, WORK
    ),
    "pdf": PageAction("Make the PDF", "Make it", VersionForm, _pdf, READ),
    "archive": PageAction(
        "Archive the postmortem again",
        "Archive it again",
        VersionForm,
        _archive_again,
        WORK,
    ),
    "findings": PageAction(
        "Look for findings again", "Look again", SubmitForm, _findings, WORK
    ),
}

"""Asking who is there again, before what must not be done from an open browser.

Asked before everything that takes a reviewer's right, by any button (approving,
signing, lifting, waiving); before accounts, factors and tokens are made or changed; and
before evidence and whole archives are downloaded. It holds for PRESENCE_MINUTES.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from evidence.accounts.factors.held import HeldFactors, find_factors, must_have_factor
from evidence.accounts.factors.proving import (
    SignInWay,
    has_shown_factor,
    is_app_code,
    note_factor,
    prove_code,
)
from evidence.accounts.identities import find_identity
from evidence.accounts.presence import is_present, note_presence, prove_password
from evidence.admin.base import find_next, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.factors.challenges import (
    WRONG,
    ask_for_passkey,
    obstacle_of,
    prove_passkey,
)
from evidence.admin.methods import takes_forms
from evidence.admin.sent_forms import keep_unsent

NAME = "confirm-presence"
PRESENCE = "presence"
NOTHING = "Give one of these."
WRONG_CODE = "This is no code that works now. Each is taken once: wait for the next."


class PresenceForm(forms.Form):
    """What the person has: a code of their app, their password, or one of them."""

    code = forms.CharField(
        required=False,
        max_length=20,
        label="Code of your authenticator app",
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}
        ),
    )
    password = forms.CharField(
        required=False,
        strip=False,
        label="Your password",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )

    def __init__(
        self, request: HttpRequest, held: HeldFactors, *, takes_password: bool
    ) -> None:
        is_sent = request.method == "POST" and "answer" not in request.POST
        super().__init__(request.POST if is_sent else None)
        self.request = request
        if held.app is None:
            del self.fields["code"]
        if not takes_password:
            del self.fields["password"]
        elif held.app is not None:
            self.fields["password"].label = "Or your password"

    def clean(self) -> None:
        """Prove what was given; what is wrong stands at its field."""
        code = "".join(self.cleaned_data.get("code", "").split())
        password = self.cleaned_data.get("password", "")
        if code:
            self._prove_code(code)
        elif password:
            if not prove_password(self.request, person_of(self.request), password):
                self.add_error("password", "This is not your password.")
        else:
            self.add_error(None, NOTHING)

    def _prove_code(self, code: str) -> None:
        # A recovery code is for coming back in, and too few for this.
        way = is_app_code(code) and prove_code(
            self.request, person_of(self.request), code
        )
        if way:
            note_factor(self.request.session, way)
        else:
            self.add_error("code", WRONG_CODE)


def ask_presence(request: HttpRequest) -> HttpResponse | None:
    """Return a redirect to the page that asks who is there; None: go on.

    What was sent is kept, but for secrets, and is shown again afterwards.
    """
    if is_present(request.session, now=timezone.now()):
        return None
    if request.method == "POST":
        keep_unsent(request)
    query = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse(NAME)}?{query}")


@sensitive_post_parameters("password", "code")
@takes_forms
def presence_page(request: HttpRequest) -> HttpResponse:
    """Ask for a factor or the password, and lead on to where it was needed.

    The password is not enough where the role needs a factor and none was shown yet.
    Who is linked to single sign-on shows themselves there instead of by a password.
    """
    person = person_of(request)
    held = find_factors(person)
    lacks_factor = must_have_factor(person) and not has_shown_factor(request.session)
    needs_own = bool(held) and lacks_factor
    single = find_identity(person) is not None
    # Who is gone from the provider could show an old password otherwise.
    takes_password = not needs_own and not single and person.has_usable_password()
    form = PresenceForm(request, held, takes_password=takes_password)
    is_passkey = "answer" in request.POST
    has_passkey = is_passkey and prove_passkey(request, PRESENCE, person) is not None
    if has_passkey:
        note_factor(request.session, SignInWay.PASSKEY)
    if has_passkey or form.is_valid():
        note_presence(request.session, now=timezone.now())
        return HttpResponseRedirect(find_next(request))
    return draw_page(
        request,
        "evidence/people/presence.html",
        title="Is it you?",
        form=form,
        held=held,
        options=ask_for_passkey(request, PRESENCE, person) if held.passkeys else "",
        obstacle=obstacle_of(request),
        single=settings.OIDC_NAME if single and not needs_own else "",
        target=find_next(request),
        fault=WRONG if is_passkey else "",
    )

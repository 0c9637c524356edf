from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from evidence.admin.factors.passkey_page import NAME as PASSKEY
from evidence.admin.factors.passkey_page import sign_in_with_passkey
from evidence.admin.factors.second_step import NAME as SECOND_STEP
from evidence.admin.factors.second_step import second_step_page
from evidence.admin.own_password import own_password_view
from evidence.admin.presence_page import NAME as PRESENCE
from evidence.admin.presence_page import presence_page
from evidence.admin.provider_sign_out import NAME as SINGLE_ENDED
from evidence.admin.provider_sign_out import signed_out_at_provider
from evidence.admin.sign_in import sign_in_view, sign_out_view
from evidence.admin.single_sign_on import NAME as SINGLE
from evidence.admin.single_sign_on import RETURN as SINGLE_RETURN
from evidence.admin.single_sign_on import single_sign_on, single_sign_on_return
from evidence.api.log import CheckpointView, TileView
from incidents.admin.search import search_view


def show_favicon(request: HttpRequest) -> HttpResponse:
    """Answer the one address that browsers ask for unasked."""
    return redirect(static("casefile/favicon.svg"))


# Here, and not when Django is set up (config/apps.py): addresses lead to pages.
admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("favicon.ico", show_favicon),
    # In place of the admin's own pages, which would leave nothing in the history.
    path("admin/password_change/", own_password_view),
    path("admin/login/", sign_in_view),
    path("admin/login/factor/", second_step_page, name=SECOND_STEP),
    path("admin/login/passkey/", sign_in_with_passkey, name=PASSKEY),
    path("admin/login/single/", single_sign_on, name=SINGLE),
    path("admin/login/single/return/", single_sign_on_return, name=SINGLE_RETURN),
    path("admin/login/single/ended/", signed_out_at_provider, name=SINGLE_ENDED),
    path("admin/logout/", sign_out_view),
    path("admin/confirm/", admin.site.admin_view(presence_page), name=PRESENCE),
    # In place of the skin's own search, which finds names of lists.
    path("admin/search/", admin.site.admin_view(search_view)),
    path("admin/", admin.site.urls),
    path("api/v1/", include("config.api")),
    # C2SP tlog-tiles, at the root of the site: clients find it by the log's name.
    path("log/checkpoint", CheckpointView.as_view(), name="log-checkpoint"),
    path("log/tile/<path:path>", TileView.as_view(), name="log-tile"),
]

handler400 = "config.problems.bad_request"
handler403 = "config.problems.permission_denied"
handler404 = "config.problems.page_not_found"
handler500 = "config.problems.server_error"

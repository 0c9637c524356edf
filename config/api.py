"""Where the API's resources, its schema and its documentation page are reached."""

from django.contrib.auth.decorators import login_required
from django.urls import URLPattern, URLResolver, path, re_path
from drf_spectacular.views import SpectacularSwaggerSplitView

from evidence.api.base import schema  # noqa: F401  (importing it registers its parts)
from evidence.api.base.lists import ListsView
from evidence.api.base.schema_view import SchemaView
from evidence.api.base.views import UnknownResource
from evidence.api.urls import urlpatterns as evidence_urls
from incidents.api.urls import urlpatterns as incident_urls
from policy.api.urls import urlpatterns as policy_urls

app_name = "api"


class DocsView(SpectacularSwaggerSplitView):
    """A page: it is read, and has nothing to tell of itself as data."""

    http_method_names = ["get", "head"]


resources: list[URLPattern | URLResolver] = [
    *evidence_urls,
    *policy_urls,
    *incident_urls,
]
urlpatterns: list[URLPattern | URLResolver] = [
    *resources,
    path("lists/", ListsView.as_view(patterns=resources), name="lists"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path(
        "docs/",
        login_required(DocsView.as_view(url_name="api:schema")),
        name="docs",
    ),
    # Last: under the API even what does not exist is answered by a problem document.
    re_path("", UnknownResource.as_view()),
]

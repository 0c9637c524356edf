"""The admin's name, look and sidebar."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static

SCRIPTS = (
    "skin",
    "clocks",
    "times",
    "commands",
    "disclosures",
    "drop",
    "forms",
    "drafts",
    "places",
    "search",
)
"""One script for each subject; every page works without any of them."""


def _script(path: str) -> Callable[[HttpRequest], str]:
    return lambda request: static(path)


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Casefile",
    "SITE_HEADER": "Casefile",
    "SITE_SUBHEADER": "Security incident cases",
    "SITE_SYMBOL": "folder_managed",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("casefile/favicon.svg"),
        },
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.7% .014 200)",
            "100": "oklch(94.8% .032 200)",
            "200": "oklch(90.1% .058 200)",
            "300": "oklch(83% .098 200)",
            "400": "oklch(74% .121 202)",
            "500": "oklch(63.7% .117 205)",
            "600": "oklch(53.5% .103 208)",
            "700": "oklch(45.8% .087 211)",
            "800": "oklch(39.2% .072 214)",
            "900": "oklch(34.5% .060 216)",
            "950": "oklch(25.4% .047 219)",
        },
    },
    "DASHBOARD_CALLBACK": "incidents.admin.dashboard.add_dashboard",
    "STYLES": [lambda request: static("evidence/casefile.css")],
    "SCRIPTS": [
        *(_script(f"evidence/js/{name}.js") for name in SCRIPTS),
        _script("policy/extensions.js"),
    ],
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "incidents.admin.navigation.sidebar",
    },
}

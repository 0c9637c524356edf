"""Content security policies: one strict, and the few paths that cannot live with it."""

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE

Policy = dict[str, Any]

STRICT_POLICY: Policy = {
    "default-src": [SELF],
    "base-uri": [NONE],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
    "object-src": [NONE],
}

# The skin's colours, which stand in a style element of every page of the admin. A test
# says the new one where they are changed.
SKIN_COLOURS = "'sha256-vhFrhmRLgKa3DDJ136E8NSEhlzMxGsPaCtBpDO4g3HU='"

# Scripts come from this site only, none may stand in a page, and none is evaluated: the
# skin runs on Alpine's strict build (evidence/js/skin.js). It sets style attributes as
# text, and bars of ours stand in the page as such; no other style may.
ADMIN_POLICY: Policy = STRICT_POLICY | {
    "script-src": [SELF],
    "style-src": [SELF],
    "style-src-elem": [SELF, SKIN_COLOURS],
    "style-src-attr": [UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}

# The API's documentation page writes styles at run time and holds its icons as data.
API_DOCS_POLICY: Policy = STRICT_POLICY | {
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}

POLICIES_BY_PATH: dict[str, Policy] = {
    "/admin/": ADMIN_POLICY,
    "/api/v1/docs/": API_DOCS_POLICY,
}

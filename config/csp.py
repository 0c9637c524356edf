"""Content security policies: one strict, and the few paths that cannot live with it."""

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

Policy = dict[str, Any]

STRICT_POLICY: Policy = {
    "default-src": [SELF],
    "base-uri": [NONE],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
    "object-src": [NONE],
}

# The admin's skin evaluates Alpine expressions and sets style attributes. Scripts
# still come from this site only, and none may stand in a page.
ADMIN_POLICY: Policy = STRICT_POLICY | {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
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

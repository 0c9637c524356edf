"""How the API's framework and its document are set up: the same everywhere."""

from typing import Any

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "evidence.api.base.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["evidence.api.base.permissions.ScopePermission"],
    "DEFAULT_THROTTLE_CLASSES": ["evidence.api.base.throttling.RateThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["evidence.api.base.parsers.PlainJsonParser"],
    "DEFAULT_METADATA_CLASS": "evidence.api.base.metadata.PlainMetadata",
    "DEFAULT_SCHEMA_CLASS": "evidence.api.base.documents.ApiSchema",
    "EXCEPTION_HANDLER": "evidence.api.base.problems.handle_exception",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Casefile API",
    "DESCRIPTION": "Incidents, evidence, verification reports and their history.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": ["evidence.api.base.permissions.ScopePermission"],
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["evidence.api.base.schema.add_problems"],
}

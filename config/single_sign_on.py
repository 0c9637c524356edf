"""What single sign-on (OpenID Connect) needs to know; there is none without issuer."""

from __future__ import annotations

from typing import Any

from config.environment import (
    read_endpoint,
    read_flag,
    read_pairs,
    read_pattern,
    read_text,
    read_token,
    read_words,
    refuse,
)

PEOPLES_ROLES = ("responder", "reviewer", "auditor", "administrator")
TOGETHER = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_ROLES")


def read_single_sign_on(*, needs_https: bool) -> dict[str, Any]:
    """Return the settings of single sign-on, by their names."""
    found: dict[str, Any] = {
        "OIDC_ISSUER": read_endpoint("OIDC_ISSUER"),
        "OIDC_CLIENT_ID": read_token("OIDC_CLIENT_ID"),
        "OIDC_CLIENT_SECRET": read_token("OIDC_CLIENT_SECRET"),
        "OIDC_NAME": read_text("OIDC_NAME", default="single sign-on"),
        "OIDC_SCOPES": read_words(
            "OIDC_SCOPES", default=("openid", "profile", "email")
        ),
        "OIDC_GROUPS_CLAIM": read_pattern(
            "OIDC_GROUPS_CLAIM",
            pattern=r"\S+",
            expected="the name of a claim, without blanks, such as groups",
            default="groups",
        ),
        "OIDC_ROLES": read_pairs("OIDC_ROLES", choices=PEOPLES_ROLES),
        "OIDC_MAKES_ACCOUNTS": read_flag("OIDC_MAKES_ACCOUNTS", default=False),
        "OIDC_SECOND_FACTOR": read_words("OIDC_SECOND_FACTOR"),
    }
    missing = [name for name in TOGETHER if not found[name]]
    given = [name for name in TOGETHER if found[name]]
    if missing and given:
        refuse(
            f"{given[0]} is set, and {', '.join(missing)} not: single sign-on needs "
            f"all of {', '.join(TOGETHER)}. Set them all, or none",
            *TOGETHER,
        )
    if needs_https and found["OIDC_ISSUER"].startswith("http://"):
        refuse(
            "OIDC_ISSUER must start with https://: over plain HTTP anybody could "
            "answer in its place",
            "OIDC_ISSUER",
        )
    if "openid" not in found["OIDC_SCOPES"]:
        refuse(
            "OIDC_SCOPES must have openid among them, or nobody is named", "OIDC_SCOPES"
        )
    return found

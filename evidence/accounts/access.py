"""Who may do what: the roles, and the one check that every service makes.

Permissions are Django's, granted to the five groups by each app's migration. Services
check the permission; that a reviewer is somebody else than the author is checked by
the service and again by a constraint, so that a superuser is not exempt.
"""

from enum import StrEnum

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Permission, User

from evidence.errors import PermissionRefused

SYSTEM_NAME = "system"


class Role(StrEnum):
    """The groups that the migrations make."""

    RESPONDER = "responder"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    MACHINE = "machine"


Actor = User | None
"""The person or machine who acts; None where the system itself does."""


def require_permission(actor: Actor | AnonymousUser, permission: str) -> None:
    """Raise PermissionRefused unless the actor holds `app_label.codename`.

    The system (None) may do everything: only tasks and commands pass None.
    """
    if actor is None:
        return
    if not actor.is_active or not actor.has_perm(permission):
        raise PermissionRefused(
            f"{name_of(actor)} may not do this. It takes the right "
            f"“{_right_in_words(permission)}”, which an administrator grants through a "
            "role."
        )


def _right_in_words(permission: str) -> str:
    """Return what a permission allows: "Can verify evidence" as "verify evidence"."""
    app, _, codename = permission.partition(".")
    found = Permission.objects.filter(
        content_type__app_label=app, codename=codename
    ).first()
    name = found.name if found else codename.replace("_", " ")
    return name.removeprefix("Can ")


def name_of(actor: AbstractBaseUser | AnonymousUser | None) -> str:
    """Return the name that history keeps for an actor."""
    return SYSTEM_NAME if actor is None else actor.get_username() or "anonymous"

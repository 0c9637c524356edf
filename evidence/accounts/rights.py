"""What somebody may do, read in one query where Django's own way takes two."""

from __future__ import annotations

from django.contrib.auth.models import User

from evidence.database.plans import kept_plans

RIGHTS = """
    SELECT kind.app_label || '.' || right_.codename
      FROM auth_permission AS right_
      JOIN django_content_type AS kind ON kind.id = right_.content_type_id
     WHERE right_.id IN (
           SELECT permission_id FROM auth_user_user_permissions WHERE user_id = %s
           UNION ALL
           SELECT of_role.permission_id
             FROM auth_user_groups AS role
             JOIN auth_group_permissions AS of_role USING (group_id)
            WHERE role.user_id = %s)
"""


def read_rights(user: User) -> None:
    """Read the rights of a user who was just fetched, for as long as the row is held.

    Django's backend keeps them at the same place, and looks there first. A superuser's
    are all that there are, which it knows without them.
    """
    if user.is_superuser or not user.is_active:
        return
    with kept_plans() as cursor:
        cursor.execute(RIGHTS, [user.pk, user.pk])
        rights = {name for (name,) in cursor.fetchall()}
    user._perm_cache = rights  # type: ignore[attr-defined]

"""Empty the test's database; what migrations made is kept, so nothing makes it anew."""

from typing import Any

from django.core.management.commands import flush


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        # Else content types and permissions are looked for, after every test.
        super().handle(**{**options, "inhibit_post_migrate": True})

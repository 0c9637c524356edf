from django.apps import AppConfig


class WiringConfig(AppConfig):
    """Loads the Celery application, so that tasks find their broker everywhere."""

    name = "config"
    label = "config"
    verbose_name = "Casefile wiring"

    def ready(self) -> None:
        # Importing them makes the one current, and registers the other's check.
        from config import celery, static_files  # noqa: F401

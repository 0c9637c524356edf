from django.apps import AppConfig
from django_structlog.signals import bind_extra_request_metadata


class WiringConfig(AppConfig):
    """Loads the Celery application, so that tasks find their broker everywhere."""

    name = "config"
    label = "config"
    verbose_name = "Casefile wiring"

    def ready(self) -> None:
        # Importing them makes the one current, and registers the other's check.
        from config import celery, static_files  # noqa: F401
        from config.logs import note_request_id

        bind_extra_request_metadata.connect(note_request_id)

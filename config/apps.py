from django.apps import AppConfig
from django_structlog.signals import bind_extra_request_metadata


class WiringConfig(AppConfig):
    """Loads the Celery application, so that tasks find their broker everywhere."""

    name = "config"
    label = "config"
    verbose_name = "Casefile wiring"

    def ready(self) -> None:
        from config import (
            celery,  # noqa: F401  (importing it makes it current)
            static_files,  # noqa: F401  (importing it registers its check)
        )
        from config.logs import note_request_id

        bind_extra_request_metadata.connect(note_request_id)

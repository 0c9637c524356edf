from django.apps import AppConfig


class WiringConfig(AppConfig):
    """Loads the Celery application, so that tasks find their broker everywhere."""

    name = "config"
    label = "config"
    verbose_name = "Casefile wiring"

    def ready(self) -> None:
        from config import celery  # noqa: F401  (importing it makes it current)

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class EvidenceConfig(AppConfig):
    name = "evidence"
    verbose_name = "Evidence and history"
    default_auto_field = "django.db.models.BigAutoField"
    default = True

    def ready(self) -> None:
        from evidence import checks  # noqa: F401  (importing it registers them)
        from evidence.audit.records.installing import install_recording
        from evidence.services.store.marking import settle_store
        from evidence.storage import settle_store_with

        settle_store_with(settle_store)
        post_migrate.connect(install_recording, sender=self)


class DocumentCommandsConfig(AppConfig):
    """The app's commands without its models, for those that need no database."""

    name = "evidence"

    def import_models(self) -> None:
        self.models = {}

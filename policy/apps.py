from django.apps import AppConfig


class PolicyConfig(AppConfig):
    name = "policy"
    verbose_name = "Policy and trust"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from evidence.services.deliveries import take_files
        from policy.services.sent_files import MAX_TAKEN_BYTES, take_policy_files

        take_files(take_policy_files, max_bytes=MAX_TAKEN_BYTES)

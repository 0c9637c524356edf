from django.apps import AppConfig


class PolicyConfig(AppConfig):
    name = "policy"
    verbose_name = "Policy and trust"
    default_auto_field = "django.db.models.BigAutoField"

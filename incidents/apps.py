from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "incidents"
    verbose_name = "Incidents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from incidents.services.lifecycle.containment import follow_kill_switch
        from policy.services.followers import follow_orders

        follow_orders(follow_kill_switch)

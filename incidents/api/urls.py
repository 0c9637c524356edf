from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from incidents.api import cases
from incidents.api.alerts import AlertRuleViewSet, AlertViewSet

router = SimpleRouter()
router.register("incidents", cases.IncidentViewSet, basename="incident")
router.register("phases", cases.PhaseViewSet, basename="phase")
router.register("playbooks", cases.PlaybookViewSet, basename="playbook")
router.register(
    "playbook-versions", cases.PlaybookVersionViewSet, basename="playbook-version"
)
router.register("alerts", AlertViewSet, basename="alert")
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")

urlpatterns: list[URLPattern | URLResolver] = [*router.urls]

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from evidence.api.base.records import register_kinds
from incidents.api import cases, findings, postmortems
from incidents.api.alerts import AlertRuleViewSet, AlertViewSet
from incidents.api.archives import CaseArchiveViewSet
from incidents.api.metrics import CaseAgesView, CaseWeeksView, PhaseTimesView
from incidents.api.records import INCIDENT_KINDS

router = SimpleRouter()
router.register("incidents", cases.IncidentViewSet, basename="incident")
router.register("phases", cases.PhaseViewSet, basename="phase")
router.register("playbooks", cases.PlaybookViewSet, basename="playbook")
router.register(
    "playbook-versions", cases.PlaybookVersionViewSet, basename="playbook-version"
)
router.register("archives", CaseArchiveViewSet, basename="archive")
router.register("alerts", AlertViewSet, basename="alert")
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
router.register("findings", findings.FindingViewSet, basename="finding")
router.register("postmortems", postmortems.PostmortemViewSet, basename="postmortem")
router.register(
    "postmortem-versions",
    postmortems.PostmortemVersionViewSet,
    basename="postmortem-version",
)
router.register("action-items", postmortems.ActionItemViewSet, basename="action-item")
register_kinds(router, INCIDENT_KINDS)

urlpatterns: list[URLPattern | URLResolver] = [
    path("metrics/phase-times/", PhaseTimesView.as_view(), name="phase-times"),
    path("metrics/case-weeks/", CaseWeeksView.as_view(), name="case-weeks"),
    path("metrics/case-ages/", CaseAgesView.as_view(), name="case-ages"),
    *router.urls,
]

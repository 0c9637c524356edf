from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from evidence.api.base.records import register_kinds
from policy.api import views
from policy.api.records import POLICY_KINDS

router = SimpleRouter()
router.register("extensions", views.ExtensionViewSet, basename="extension")
router.register(
    "trust-transitions", views.TrustTransitionViewSet, basename="trust-transition"
)
router.register("kill-switches", views.KillSwitchViewSet, basename="kill-switch")
router.register(
    "policy-snapshots", views.PolicySnapshotViewSet, basename="policy-snapshot"
)
router.register("rollbacks", views.RollbackViewSet, basename="rollback")
router.register("scans", views.ScanReportViewSet, basename="scan")
register_kinds(router, POLICY_KINDS)

urlpatterns: list[URLPattern | URLResolver] = [
    path(
        "scans/<int:report_pk>/entries/",
        views.ScanEntryViewSet.as_view({"get": "list"}),
        name="scan-entries",
    ),
    *router.urls,
]

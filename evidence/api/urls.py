from django.urls import URLPattern, URLResolver, path
from rest_framework.renderers import JSONRenderer
from rest_framework.routers import SimpleRouter

from evidence.api import resources
from evidence.api.base.parsers import PlainFormParser, PlainJsonParser
from evidence.api.base.records import register_kinds
from evidence.api.evidence import BytesRenderer, EvidenceViewSet
from evidence.api.log import ConsistencyView, NewestCheckpointView
from evidence.api.records import EVIDENCE_KINDS

router = SimpleRouter()
router.register("custody-events", resources.CustodyEventViewSet)
router.register("reports", resources.ReportViewSet, basename="report")
router.register("exports", resources.ExportViewSet)
router.register("audit-entries", resources.AuditEntryViewSet)
router.register("audit-streams", resources.AuditStreamViewSet, basename="audit-stream")
register_kinds(router, EVIDENCE_KINDS)

urlpatterns: list[URLPattern | URLResolver] = [
    path(
        "evidence/",
        EvidenceViewSet.as_view({"get": "list", "post": "create", "put": "put_body"}),
        name="evidence-list",
    ),
    path(
        "evidence/<int:pk>/",
        EvidenceViewSet.as_view({"get": "retrieve"}),
        name="evidence-detail",
    ),
    path(
        "evidence/<int:pk>/content/",
        EvidenceViewSet.as_view(
            {"get": "content"}, renderer_classes=(JSONRenderer, BytesRenderer)
        ),
        name="evidence-content",
    ),
    path(
        "evidence/<int:pk>/kind/",
        EvidenceViewSet.as_view(
            {"post": "change_kind"}, parser_classes=(PlainJsonParser, PlainFormParser)
        ),
        name="evidence-kind",
    ),
    path(
        "evidence/<int:pk>/again/",
        EvidenceViewSet.as_view(
            {"post": "verify_again"}, parser_classes=(PlainJsonParser, PlainFormParser)
        ),
        name="evidence-again",
    ),
    # `curl -T file https://…/evidence/` puts the file's name after the last slash.
    path(
        "evidence/<str:filename>",
        EvidenceViewSet.as_view({"put": "put_named"}),
        name="evidence-upload",
    ),
    path(
        "reports/<int:report_pk>/errors/",
        resources.VerificationErrorViewSet.as_view({"get": "list"}),
        name="report-errors",
    ),
    path(
        "reports/<int:report_pk>/replay-steps/",
        resources.ReplayStepViewSet.as_view({"get": "list"}),
        name="report-replay-steps",
    ),
    path("log/checkpoint/", NewestCheckpointView.as_view(), name="log-newest"),
    path("log/consistency/", ConsistencyView.as_view(), name="log-consistency"),
    *router.urls,
]

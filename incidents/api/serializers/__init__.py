"""How cases, playbooks and alerts are written out, and what an edit may send."""

from incidents.api.serializers.alerts import (
    AlertAnswerSerializer,
    AlertDetailSerializer,
    AlertRuleSerializer,
    AlertSerializer,
    BatchAnswerSerializer,
)
from incidents.api.serializers.cases import IncidentSerializer
from incidents.api.serializers.edits import (
    CloseSerializer,
    IncidentEditSerializer,
    MarkAnswerSerializer,
    MarkSerializer,
)
from incidents.api.serializers.phases import PhaseSerializer
from incidents.api.serializers.playbooks import (
    PlaybookSerializer,
    PlaybookVersionSerializer,
)

__all__ = [
    "AlertAnswerSerializer",
    "AlertDetailSerializer",
    "AlertRuleSerializer",
    "AlertSerializer",
    "BatchAnswerSerializer",
    "CloseSerializer",
    "IncidentEditSerializer",
    "IncidentSerializer",
    "MarkAnswerSerializer",
    "MarkSerializer",
    "PhaseSerializer",
    "PlaybookSerializer",
    "PlaybookVersionSerializer",
]

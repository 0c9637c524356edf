from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "incidents"
    verbose_name = "Incidents"
    default_auto_field = "django.db.models.BigAutoField"
    default = True

    def ready(self) -> None:
        from evidence.accounts.holdings import Holding, register_holding
        from evidence.accounts.telling import tell_owners_by
        from evidence.services.remarks import remark_on_evidence
        from evidence.services.store.claims import claim_stored_bytes
        from incidents.services.archives.requests import list_stored_archives
        from incidents.services.changes import WORK
        from incidents.services.evidence_remarks import remark_on_items
        from incidents.services.handover import hand_over_work, list_work
        from incidents.services.lifecycle.containment import follow_kill_switch
        from incidents.services.lifecycle.rollbacks import follow_rollback
        from incidents.services.notifications.account_notices import write_notice
        from incidents.services.postmortems.pdfs import list_stored_pdfs

        # For its kind of work: the web repeats what gave up, and runs none of it.
        from incidents.services.pruning import running  # noqa: F401
        from policy.services.followers import follow_orders, follow_rollbacks

        remark_on_evidence(remark_on_items)
        claim_stored_bytes(list_stored_archives)
        claim_stored_bytes(list_stored_pdfs)
        register_holding(Holding(WORK, list_work, hand_over_work))
        tell_owners_by(write_notice)
        follow_orders(follow_kill_switch)
        follow_rollbacks(follow_rollback)


class DocumentCommandsConfig(AppConfig):
    """The app's commands without its models, for those that need no database."""

    name = "incidents"

    def import_models(self) -> None:
        self.models = {}

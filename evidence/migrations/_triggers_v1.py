"""The SQL of triggers as migrations install it: a frozen copy, never to be edited.

`evidence.models.triggers.FirmTriggerSql` is what models compile to today, and names this
class in the migrations that it writes. When its template changes, it names a new copy,
`_triggers_v2`, and this one stays as it is: released migrations run it.
"""

from pgtrigger import compiler


class TriggerSql(compiler.UpsertTriggerSql):
    """The first and so far only form of the triggers' SQL."""

    def get_template(self) -> str:
        return """
            CREATE OR REPLACE FUNCTION {pgid}()
            RETURNS TRIGGER AS $$
                {declare}
                BEGIN
                    {func}
                END;
            $$ LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp;

            DROP TRIGGER IF EXISTS {pgid} ON {table};
            CREATE {constraint} TRIGGER {pgid}
                {when} {operation} ON {table}
                {timing}
                {referencing}
                FOR EACH {level} {condition}
                EXECUTE PROCEDURE {execute};

            COMMENT ON TRIGGER {pgid} ON {table} IS '{hash}';
        """

"""Only who may write tombstones runs the function that deletes a replay's steps.

PostgreSQL lets everybody run a new function. Roles that the application works with keep
the right without `grant_app_role`: they are those that may add tombstones by now.
"""

from django.db import migrations

TAKE_FROM_ALL = """
REVOKE ALL ON FUNCTION casefile_prune_replay(bigint) FROM PUBLIC;
DO $$
    DECLARE
        one text;
    BEGIN
        FOR one IN
            SELECT DISTINCT grantee FROM information_schema.role_table_grants
             WHERE table_schema = 'public' AND table_name = 'evidence_tombstone'
               AND privilege_type = 'INSERT' AND grantee <> 'PUBLIC'
        LOOP
            EXECUTE format(
                'GRANT EXECUTE ON FUNCTION casefile_prune_replay(bigint) TO %I', one
            );
        END LOOP;
    END;
$$;
"""
GIVE_BACK = "GRANT EXECUTE ON FUNCTION casefile_prune_replay(bigint) TO PUBLIC;"


class Migration(migrations.Migration):
    dependencies = (("evidence", "0021_reads"),)
    operations = (migrations.RunSQL(TAKE_FROM_ALL, GIVE_BACK),)

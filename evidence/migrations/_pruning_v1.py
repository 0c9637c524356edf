"""The function that prunes a replay: a frozen copy, never to be edited.

The application's role may not delete replay steps. This may, as the tables' owner, and
deletes those of the report that a tombstone names: the table's trigger lets no other
go. It notes in the journal of records that the list is gone, as a deletion.
To change it, write the next copy and a migration that runs it.
"""

CREATE_FUNCTION = """
CREATE OR REPLACE FUNCTION casefile_prune_replay(stone bigint) RETURNS bigint AS $$
    DECLARE
        report bigint;
        gone bigint;
    BEGIN
        SELECT row_key INTO STRICT report FROM public.evidence_tombstone
         WHERE id = stone AND kind = 'replay';
        DELETE FROM public.evidence_replaystep WHERE report_id = report;
        GET DIAGNOSTICS gone = ROW_COUNT;
        IF gone > 0 THEN
            INSERT INTO public.evidence_recordedrow
                (table_name, row_key, operation, recorded_at, role, program, columns)
            VALUES ('evidence_replaystep', report::text, 'delete', now(),
                    session_user, current_setting('application_name'), NULL);
        END IF;
        RETURN gone;
    END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp;
"""

DROP_FUNCTION = "DROP FUNCTION casefile_prune_replay(bigint);"

"""The function that records the rows of one insert at once: a frozen copy, never edited.

What it writes is what `casefile_record_row` (`_recording_v1`) writes for each of them.
To change it, write the next copy and a migration that runs it.
"""

CREATE_FUNCTION = """
CREATE OR REPLACE FUNCTION casefile_record_added() RETURNS trigger AS $$
    DECLARE
        left_out text[] := COALESCE(TG_ARGV[1:], '{}');
    BEGIN
        INSERT INTO public.evidence_recordedrow
            (table_name, row_key, operation, recorded_at, role, program, columns)
        SELECT TG_TABLE_NAME, one.document ->> TG_ARGV[0], 'insert', now(),
               session_user, current_setting('application_name'),
               (SELECT jsonb_object_agg(part.key,
                       left(encode(sha256(convert_to(part.value::text, 'UTF8')), 'hex'),
                            16))
                  FROM jsonb_each(one.document - left_out) AS part)
          -- OFFSET 0: each row is turned into a document once.
          FROM (SELECT to_jsonb(added.*) AS document FROM added OFFSET 0) AS one;
        RETURN NULL;
    END;
$$ LANGUAGE plpgsql
   SET search_path = pg_catalog, public, pg_temp
   SET timezone = 'UTC' SET extra_float_digits = 1 SET bytea_output = 'hex'
   SET intervalstyle = 'postgres';
"""

DROP_FUNCTION = """
DROP FUNCTION casefile_record_added() CASCADE;
"""

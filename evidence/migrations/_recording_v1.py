"""The functions that record rows as they are written: a frozen copy, never edited.

`casefile_record_row` notes a digest of each column of a row that was inserted or
changed, and that a row was deleted. Its arguments are the key's column and the columns
that are left out. `casefile_record_group` does so for all rows of one owner at once,
for tables with thousands of rows for each. Both write JSON as a session in UTC does.
To change one, write the next copy and a migration that runs it.
"""

CREATE_FUNCTIONS = """
CREATE OR REPLACE FUNCTION casefile_record_row() RETURNS trigger AS $$
    DECLARE
        left_out text[] := COALESCE(TG_ARGV[1:], '{}');
        before jsonb;
        after jsonb;
        key text;
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            before := to_jsonb(OLD) - left_out;
            key := to_jsonb(OLD) ->> TG_ARGV[0];
        END IF;
        IF TG_OP <> 'DELETE' THEN
            after := to_jsonb(NEW) - left_out;
            key := to_jsonb(NEW) ->> TG_ARGV[0];
        END IF;
        IF TG_OP = 'UPDATE' AND before::text = after::text THEN
            RETURN NULL;
        END IF;
        INSERT INTO public.evidence_recordedrow
            (table_name, row_key, operation, recorded_at, role, program, columns)
        SELECT TG_TABLE_NAME, key, lower(TG_OP), now(), session_user,
               current_setting('application_name'),
               (SELECT jsonb_object_agg(one.key,
                       left(encode(sha256(convert_to(one.value::text, 'UTF8')), 'hex'),
                            16))
                  FROM jsonb_each(after) AS one);
        RETURN NULL;
    END;
$$ LANGUAGE plpgsql
   SET search_path = pg_catalog, public, pg_temp
   SET timezone = 'UTC' SET extra_float_digits = 1 SET bytea_output = 'hex'
   SET intervalstyle = 'postgres';

CREATE OR REPLACE FUNCTION casefile_record_group() RETURNS trigger AS $$
    DECLARE
        digests text;
    BEGIN
        SELECT string_agg(format(
                   '%L, left(encode(sha256(convert_to(string_agg('
                   'COALESCE(to_jsonb(one.%I)::text, ''NULL''), chr(10) '
                   'ORDER BY one.id), ''UTF8'')), ''hex''), 16)',
                   attname, attname), ', ' ORDER BY attnum)
          INTO digests
          FROM pg_attribute
         WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped;
        EXECUTE format(
            'INSERT INTO public.evidence_recordedrow '
            '(table_name, row_key, operation, recorded_at, role, program, columns) '
            'SELECT %L, one.%I::text, ''insert'', now(), session_user, '
            'current_setting(''application_name''), jsonb_build_object(%s) '
            'FROM public.%I AS one '
            'WHERE one.%I IN (SELECT DISTINCT %I FROM added) GROUP BY one.%I',
            TG_TABLE_NAME, TG_ARGV[0], digests, TG_TABLE_NAME,
            TG_ARGV[0], TG_ARGV[0], TG_ARGV[0]);
        RETURN NULL;
    END;
$$ LANGUAGE plpgsql
   SET search_path = pg_catalog, public, pg_temp
   SET timezone = 'UTC' SET extra_float_digits = 1 SET bytea_output = 'hex'
   SET intervalstyle = 'postgres';
"""

DROP_FUNCTIONS = """
DROP FUNCTION casefile_record_row() CASCADE;
DROP FUNCTION casefile_record_group() CASCADE;
"""

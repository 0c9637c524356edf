#!/bin/sh
# Runs once, when the database container makes its cluster. The rights themselves are
# given by `manage.py grant_app_role casefile_app`, after every migration.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$APP_PASSWORD" \
    -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
CREATE ROLE casefile_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
SQL

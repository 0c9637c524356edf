"""What the database could not do now, as refusals that say so.

Each is an OperationalError as well: workers try again, and requests are answered.
"""

from __future__ import annotations

from http import HTTPStatus

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

from evidence.errors import CasefileError


class DatabaseRefusal(CasefileError, OperationalError):
    """The database does not do it now; nothing was changed."""

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    heading = "The database does not answer"


class RecordBusy(DatabaseRefusal):
    """Somebody else holds what is to be changed, for longer than one waits for it."""

    code = "record_busy"
    heading = "Somebody is changing this case"


class QueryTooLong(DatabaseRefusal):
    """The answer took longer than one may take."""

    code = "took_too_long"
    heading = "This took too long"


class DatabaseFull(DatabaseRefusal):
    """The database has no room, or takes nothing in."""

    code = "database_full"
    heading = "The database takes nothing in"


class PooledByTransaction(DatabaseRefusal, ImproperlyConfigured):
    """A pooler between here and the database shares out its sessions."""

    heading = "The database cannot be used this way"


class PoolFull(DatabaseRefusal):
    """A pooler has no free session; how it pools could not be told."""

    heading = "The database has no free session"


class ReadingRoleMissing(DatabaseRefusal):
    """The role under which auditors read is not there."""

    code = "reading_role_missing"
    heading = "Nothing can be read now"


class ReadsOnly(DatabaseRefusal):
    """A request of somebody who only reads would have written."""

    code = "reads_only"
    status = HTTPStatus.FORBIDDEN
    heading = "You only read here"

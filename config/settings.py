"""Django settings. Everything that differs between machines is an environment variable.

docs/deploy.md lists the variables. A missing or bad value stops the start.
"""

import logging
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from config.csp import POLICIES_BY_PATH, STRICT_POLICY
from config.environment import (
    gather_faults,
    make_broker_url,
    make_cache_url,
    read_broker,
    read_certificates,
    read_choice,
    read_choices,
    read_database,
    read_email,
    read_file_path,
    read_flag,
    read_folder,
    read_folders,
    read_hosts,
    read_networks,
    read_new_folder,
    read_origins,
    read_pattern,
    read_places,
    read_redis,
    read_replica,
    read_required_folder,
    read_schemes,
    read_secret,
    read_sender,
    read_signing_keys,
    read_site,
    read_text,
    read_token,
    read_whole_number,
    read_words,
    refuse,
    require_named,
    require_no_faults,
)
from config.installed import (  # noqa: F401  (Django settings)
    AUTH_PASSWORD_VALIDATORS,
    AUTHENTICATION_BACKENDS,
    INSTALLED_APPS,
    MIDDLEWARE,
    TEMPLATES,
)
from config.logs import LEVELS, STYLES, make_logging
from config.parts import ARCHIVE_COPIES, PARTS, REPLICA
from config.queues import TASK_QUEUES, TASK_ROUTES, WORKERS, QueueName
from config.rest import REST_FRAMEWORK, SPECTACULAR_SETTINGS  # noqa: F401
from config.schedule import BEAT_SCHEDULE
from config.single_sign_on import read_single_sign_on
from config.storages import make_storages
from config.unfold import UNFOLD  # noqa: F401  (a Django setting)

BASE_DIR = Path(__file__).resolve().parent.parent
_PROJECT = tomllib.loads((BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))
CASEFILE_VERSION: str = _PROJECT["project"]["version"]

# Made by `grant_app_role`.
READING_ROLE = "casefile_reader"

# All that is wrong is told at once, at the end.
gather_faults()

# --- Core -------------------------------------------------------------------------

SECRET_KEY = read_secret("SECRET_KEY")
# Older keys: they still open what was signed or sealed under them.
SECRET_KEY_FALLBACKS = read_words("SECRET_KEY_FALLBACKS")
DEBUG = read_flag("DEBUG", default=False)
ALLOWED_HOSTS = read_hosts("ALLOWED_HOSTS", example="casefile.example.org")
CSRF_FAILURE_VIEW = "config.problems.form_out_of_date"
CSRF_TRUSTED_ORIGINS = read_origins("CSRF_TRUSTED_ORIGINS")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

FORM_RENDERER = "evidence.form_drawing.FormRenderer"

# --- Database, cache, tasks ---------------------------------------------------------

DATABASES = {"default": read_database("DATABASE_URL")}
# How many threads of a process wait long for a lock (evidence/database); 0: any number.
DATABASE_WAITERS = read_whole_number("DATABASE_WAITERS", default=0)
# Under which role auditors read; with `none` it is the application's own, which the
# page System and the deployment's check tell.
DATABASE_READ_ROLE = read_pattern(
    "DATABASE_READ_ROLE",
    pattern=r"[a-z_][a-z0-9_]{0,62}",
    expected="the name of a database role, in small letters, digits and _, or none",
    default=READING_ROLE,
).removeprefix("none")
_KEPT = {
    "CONN_MAX_AGE": read_whole_number("DATABASE_CONN_MAX_AGE_SECONDS", default=60),
    "CONN_HEALTH_CHECKS": True,
}
if read_flag("DATABASE_POOL", default=False):
    DATABASES["default"]["OPTIONS"]["pool"] = True
else:
    DATABASES["default"] |= _KEPT
# Where auditors read (evidence/database/replica.py); None: from the primary. It is no
# database of Django's: nothing migrates it, and tests and commands never meet it.
REPLICA_DATABASE = read_replica("REPLICA_DATABASE_URL")
if REPLICA_DATABASE is not None:
    REPLICA_DATABASE |= _KEPT
    if not DATABASE_READ_ROLE:
        refuse(
            "REPLICA_DATABASE_URL is for who reads under DATABASE_READ_ROLE, which is "
            "none: name a role, or unset the replica",
            *("REPLICA_DATABASE_URL", "DATABASE_READ_ROLE"),
        )
REPLICA_MAX_LAG_SECONDS = read_whole_number(
    "REPLICA_MAX_LAG_SECONDS", default=30, least=1, most=86_400
)

# How long the queue's and the cache's server may take to answer: both are near.
SERVER_SECONDS = 2.0
REDIS_URL = read_redis("REDIS_URL", example="redis://redis.example.org:6379/0")
CACHES = {
    "default": {
        "BACKEND": "evidence.counting_cache.CountingCache",
        "LOCATION": read_redis("CACHE_URL", default=make_cache_url(REDIS_URL)),
        "KEY_PREFIX": "casefile",
        "OPTIONS": {
            "socket_connect_timeout": SERVER_SECONDS,
            "socket_timeout": SERVER_SECONDS,
        },
    }
}

CELERY_BROKER_URL = read_broker("CELERY_BROKER_URL", default=make_broker_url(REDIS_URL))
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_TASK_TIME_LIMIT = read_whole_number(
    "TASK_TIME_LIMIT_SECONDS", default=1800, least=60, most=86_400
)
# What work on one file may ask for, beyond what its process has.
TASK_MEMORY_MB = read_whole_number("TASK_MEMORY_MB", default=3072, least=64)
CELERY_TASK_SOFT_TIME_LIMIT = CELERY_TASK_TIME_LIMIT - 30
# A server that takes a connection and never answers must not hold who asks it.
CELERY_BROKER_CONNECTION_TIMEOUT = SERVER_SECONDS
if urlsplit(CELERY_BROKER_URL).scheme.startswith(("redis", "rediss")):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # A task is delivered again when it is not acknowledged within this time, so
        # the time is longer than any task may run.
        "visibility_timeout": 2 * CELERY_TASK_TIME_LIMIT,
        "socket_connect_timeout": SERVER_SECONDS,
        "socket_timeout": SERVER_SECONDS,
        "socket_keepalive": True,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "confirm_publish": True,
        "connect_timeout": SERVER_SECONDS,
        "read_timeout": SERVER_SECONDS,
        "write_timeout": SERVER_SECONDS,
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# One long verification must not hold back the short tasks queued behind it.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 1_000_000  # KiB
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE
CELERY_BEAT_SCHEDULER = "config.beat:SteadyScheduler"
CELERY_TASK_QUEUES = TASK_QUEUES
CELERY_TASK_ROUTES = TASK_ROUTES
CELERY_TASK_DEFAULT_QUEUE = QueueName.DOCUMENTS.value
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG  # one line a request

# How many tasks at once each worker takes, and where beat keeps its last runs.
WORKER_CONCURRENCY = {
    name: read_whole_number(
        f"WORKER_{name.upper()}", default=worker.concurrency, least=1, most=1000
    )
    for name, worker in WORKERS.items()
}
BEAT_SCHEDULE_FILE = read_text("BEAT_SCHEDULE_FILE", default="beat-schedule")

CASEFILE_BASE_URL = read_site(
    "CASEFILE_BASE_URL", example="https://casefile.example.org"
)

# --- Evidence and files -------------------------------------------------------------

# The most that S3 takes in one request.
MOST_BYTES = 5 * 1024**3
EVIDENCE_MAX_BYTES = read_whole_number(
    "EVIDENCE_MAX_BYTES", default=256 * 1024 * 1024, least=1, most=MOST_BYTES
)
EVIDENCE_ROOT = read_required_folder(
    "EVIDENCE_ROOT", example="/var/lib/casefile/evidence"
)
# Everything stored is read and hashed again within these days, at this rate.
EVIDENCE_CHECK_DAYS = read_whole_number(
    "EVIDENCE_CHECK_DAYS", default=7, least=1, most=3650
)
EVIDENCE_CHECK_MEGABYTES_PER_SECOND = read_whole_number(
    "EVIDENCE_CHECK_MEGABYTES_PER_SECOND", default=20
)
# How many threads of a process wait for the store at once; 0: any number.
STORE_WAITERS = read_whole_number("STORE_WAITERS", default=0)
STATIC_URL = "static/"
# Without a manifest, files are served from the apps and nothing has to be collected.
STATIC_MANIFEST = read_flag("STATIC_MANIFEST", default=True)
STATIC_ROOT = (
    read_new_folder("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
    if STATIC_MANIFEST
    else None
)
WHITENOISE_USE_FINDERS = not STATIC_MANIFEST
STORAGES = make_storages(EVIDENCE_ROOT, static_manifest=STATIC_MANIFEST)
# A request's fields are read into memory; its files are not, above this size.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_TEMP_DIR = read_folder("UPLOAD_TEMP_DIR") or None

# A bucket elsewhere that archives are copied to, and locked in for 100 years at most.
_DAYS = "([1-9][0-9]{0,3}|[12][0-9]{4}|3[0-5][0-9]{3}|36[0-4][0-9]{2}|36500)"
ARCHIVE_BUCKET = read_pattern(
    "ARCHIVE_BUCKET",
    pattern=r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()/-]{0,200})?"
    rf"(\?lock_days={_DAYS})?",
    expected="a bucket as s3://bucket/prefix?lock_days=3650, of up to 36500 days",
)
READINESS_PARTS = (
    *PARTS,
    *((ARCHIVE_COPIES,) if ARCHIVE_BUCKET else ()),
    *((REPLICA,) if REPLICA_DATABASE is not None else ()),
)
# How many days after closing a case may be pruned; 0: never.
CASE_RETENTION_DAYS = read_whole_number("CASE_RETENTION_DAYS", default=0, most=36_500)

# --- The history log: docs/history-log.md --------------------------------------------

# The log's name, in every checkpoint and key; a log never changes it.
LOG_ORIGIN = read_pattern(
    "LOG_ORIGIN",
    pattern=r"[^\s+]+",
    expected="a name without blanks and plus signs, such as casefile.example.org/log",
    default=f"{urlsplit(CASEFILE_BASE_URL).hostname}/log",
)
# The key that signs, newest first: in the environment, or else in a file.
LOG_SIGNING_KEYS = read_signing_keys("LOG_SIGNING_KEYS")
require_named(
    "LOG_SIGNING_KEYS", LOG_SIGNING_KEYS, origin=LOG_ORIGIN, named_by="LOG_ORIGIN"
)
LOG_KEY_FILE = read_file_path(
    "LOG_KEY_FILE", default=f"{EVIDENCE_ROOT.rstrip('/')}.log-key"
)
LOG_IS_PUBLIC = read_flag("LOG_IS_PUBLIC", default=False)
# Where checkpoints go, so that somebody else holds them.
LOG_PLACES = read_places("LOG_PLACES")

PLAYBOOK_FOLDERS = read_folders("PLAYBOOK_FOLDERS")

# --- Sign-in ------------------------------------------------------------------------

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
HOURS_OF_A_YEAR = 366 * 24
SESSION_COOKIE_AGE = 3600 * read_whole_number(
    "SESSION_HOURS", default=12, least=1, most=HOURS_OF_A_YEAR
)
SESSION_ENGINE = "config.sessions"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# How long a sign-in lasts that nobody uses; 0: as long as any.
SESSION_IDLE_MINUTES = read_whole_number(
    "SESSION_IDLE_MINUTES", default=120, most=60 * HOURS_OF_A_YEAR
)
# How long a password holds before signing, approving and the like; 0: not asked.
PRESENCE_MINUTES = read_whole_number("PRESENCE_MINUTES", default=15, most=24 * 60)

# Whose sessions open nothing until a second factor was shown, and added if need be.
SECOND_FACTOR_ROLES = read_choices(
    "SECOND_FACTOR_ROLES",
    default=("reviewer", "administrator"),
    choices=("responder", "reviewer", "auditor", "administrator"),
)

AXES_FAILURE_LIMIT = read_whole_number("LOGIN_FAILURE_LIMIT", default=5, least=1)
AXES_COOLOFF_TIME = read_whole_number(
    "LOGIN_COOLOFF_HOURS", default=1, least=1, most=HOURS_OF_A_YEAR
)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# Failures of all names from one address, and of one name from all addresses.
LOGIN_ADDRESS_LIMIT = read_whole_number("LOGIN_ADDRESS_LIMIT", default=20, least=1)
LOGIN_NAME_LIMIT = read_whole_number("LOGIN_NAME_LIMIT", default=20, least=1)
AXES_HANDLER = "evidence.accounts.sign_in_limits.SignInLimits"
AXES_ENABLE_ACCESS_FAILURE_LOG = True
# What is sent to a lock does not make it last longer: nobody can keep one shut.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "config.problems.locked_out"
AXES_RESET_ON_SUCCESS = True
# What axes keeps of a failed form shows none of these.
AXES_SENSITIVE_PARAMETERS = [
    *("username", "ip_address", "csrfmiddlewaretoken", "code", "answer"),
    *("old_password", "new_password1", "new_password2"),
]
AXES_IPWARE_META_PRECEDENCE_ORDER = ["REMOTE_ADDR"]

# --- Single sign-on ------------------------------------------------------------------

HTTPS = read_flag("HTTPS", default=True)
_SINGLE = read_single_sign_on(needs_https=HTTPS)
OIDC_ISSUER: str = _SINGLE["OIDC_ISSUER"]
OIDC_CLIENT_ID: str = _SINGLE["OIDC_CLIENT_ID"]
OIDC_CLIENT_SECRET: str = _SINGLE["OIDC_CLIENT_SECRET"]
OIDC_NAME: str = _SINGLE["OIDC_NAME"]
OIDC_SCOPES: list[str] = _SINGLE["OIDC_SCOPES"]
OIDC_GROUPS_CLAIM: str = _SINGLE["OIDC_GROUPS_CLAIM"]
OIDC_ROLES: list[tuple[str, str]] = _SINGLE["OIDC_ROLES"]
OIDC_MAKES_ACCOUNTS: bool = _SINGLE["OIDC_MAKES_ACCOUNTS"]
OIDC_SECOND_FACTOR: list[str] = _SINGLE["OIDC_SECOND_FACTOR"]

# --- HTTP security ------------------------------------------------------------------

# How many proxies in front are ours. Their X-Forwarded-… headers are believed, and
# with none of ours in front, nobody's are.
TRUSTED_PROXY_COUNT = read_whole_number("TRUSTED_PROXY_COUNT", default=0, most=10)
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

SECURE_SSL_REDIRECT = read_flag("SSL_REDIRECT", default=HTTPS)
SECURE_HSTS_SECONDS = read_whole_number(
    "HSTS_SECONDS", default=31_536_000 if HTTPS else 0, most=10 * 366 * 86_400
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = read_flag("HSTS_INCLUDE_SUBDOMAINS", default=HTTPS)
SECURE_HSTS_PRELOAD = read_flag("HSTS_PRELOAD", default=HTTPS)
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
# By these names browsers take them over TLS from this very host only: no other host of
# the domain, and nobody on a plain connection, can set one.
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {"DIRECTIVES": STRICT_POLICY}
CONTENT_SECURITY_POLICIES_BY_PATH = POLICIES_BY_PATH

# --- API ----------------------------------------------------------------------------

KNOX_TOKEN_MODEL = "evidence.ApiToken"  # noqa: S105  (a model's name)
REST_KNOX = {"TOKEN_PREFIX": "cf_"}
# Requests a minute for one token; a batch of alerts is one request.
API_RATES_PER_MINUTE = {
    "read": read_whole_number("API_READ_RATE", default=600, least=1),
    "write": read_whole_number("API_WRITE_RATE", default=120, least=1),
    "evidence": read_whole_number("API_EVIDENCE_RATE", default=120, least=1),
    "alerts": read_whole_number("API_ALERT_RATE", default=6000, least=1),
}

# --- Mail, links, language ----------------------------------------------------------

globals().update(read_email("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = read_sender("DEFAULT_FROM_EMAIL", default="casefile@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Chat rooms and pagers that notifications may go to, by apprise's URL schemes. Only
# services that send out over TLS; "json" would be plain HTTP.
CHAT_SCHEMES = (
    *("discord", "gchat", "gotifys", "jsons", "mmosts", "ntfys", "opsgenie"),
    *("pagerduty", "rockets", "slack", "webex", "workflows", "zulip"),
)
WEBHOOK_SCHEMES = read_schemes("WEBHOOK_SCHEMES", default=CHAT_SCHEMES)
# Whom certificates of webhooks may be from, where not from the public authorities.
WEBHOOK_CA_FILE = read_certificates("WEBHOOK_CA_FILE")
# How long one message may take in all, however slowly somebody answers: below the
# limits of the task that sends it, which may begin one at the end of its time.
SENDING_SECONDS = 25.0
# How many messages a delivery process sends at once, each by its own connection.
NOTIFICATION_SENDERS = read_whole_number("NOTIFICATION_SENDERS", default=4, least=1)

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
USE_I18N = True
# ISO dates, 24 hours and the zone, wherever Django itself writes a time.
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = "UTC"
USE_TZ = True

# --- Logs, probes, metrics ----------------------------------------------------------

LOGGING = make_logging(
    level=read_choice("LOG_LEVEL", default="INFO", choices=LEVELS),
    as_json=read_choice("LOG_FORMAT", default="json", choices=STYLES) == "json",
)
READINESS_SECONDS = read_whole_number("READINESS_SECONDS", default=2)
METRICS_COLLECTORS = [
    "evidence.metrics.HistoryCollector",
    *(("evidence.metrics.ReplicaCollector",) if REPLICA_DATABASE is not None else ()),
    "evidence.metrics.StoreCollector",
    "incidents.notification_metrics.NotificationCollector",
]
METRICS_TOKEN = read_token("METRICS_TOKEN")
METRICS_ALLOWED = read_networks("METRICS_ALLOWED")
PROMETHEUS_EXPORT_MIGRATIONS = False

require_no_faults()

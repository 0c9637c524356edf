"""What Casefile is made of: apps, what each request passes through in order, templates,
and what a sign-in and a new password are held against.
"""

from pathlib import Path

INSTALLED_APPS = [
    "config",
    "config.apps.SkinConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "config.apps.PagesConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django.forms",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "axes",
    "csp",
    "pgtrigger",
    "django_prometheus",
    "django_structlog",
    "evidence",
    "policy",
    "incidents",
]

MIDDLEWARE = [
    # Before all that may refuse: every line and every answer has its request's id.
    "config.request_ids.RequestIdMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "config.middleware.PrivateAnswerMiddleware",
    "config.middleware.TrustedProxyMiddleware",
    "config.middleware.ProbeMiddleware",
    "config.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.PlainAddressMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.PathPolicyMiddleware",
    # What stands before it holds for its answers too.
    "config.at_once.AlertsAtOnceMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "evidence.viewing.ViewerMiddleware",
    "evidence.reader_zone.ReaderZoneMiddleware",
    "config.request_ids.RequestUserMiddleware",
    "evidence.admin.idle.IdleSessionMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "evidence.admin.first_password.FirstPasswordMiddleware",
    "evidence.admin.factors.needed.SecondFactorMiddleware",
    "evidence.admin.sent_forms.UnsentFormMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.middleware.RefusalMiddleware",
    "config.middleware.RowPageMiddleware",
    "evidence.admin.methods.PageMethodMiddleware",
    "config.middleware.SingleValuesMiddleware",
    "config.reading.ReadingMiddleware",
    # Inside of it: what is looked up for a note is read as the page was.
    "config.noted_reads.NotedReadsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the skin's own: the frame of every page.
        "DIRS": [Path(__file__).resolve().parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            # Times, states and names from outside are on nearly every page.
            "builtins": [
                "evidence.templatetags.casefile",
                "evidence.templatetags.fields",
                "evidence.templatetags.names",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "evidence.accounts.factors.proving.CodeBackend",
]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {
        "NAME": f"{_VALIDATION}.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
    {"NAME": "evidence.accounts.passwords.PersonalPasswordValidator"},
    {"NAME": "evidence.accounts.passwords.GuessablePasswordValidator"},
]

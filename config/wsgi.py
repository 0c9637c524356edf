import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from config.startup import require_own_sessions

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
require_own_sessions()
# All pages, before somebody waits for the first.
import_module(settings.ROOT_URLCONF)

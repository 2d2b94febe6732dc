"""The WSGI entry point of production and of `make run`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ottsonly.settings")
application = get_wsgi_application()

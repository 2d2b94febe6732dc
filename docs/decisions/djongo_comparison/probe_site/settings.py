"""Settings of the probe site: the same for both backends but for the engine and the key type.

Read from the environment: PROBE_ENGINE (`djongo` or `django_mongodb_backend`), PROBE_URI,
PROBE_DATABASE.
"""

import os

ENGINE = os.environ["PROBE_ENGINE"]
URI = os.environ["PROBE_URI"]
DATABASE = os.environ["PROBE_DATABASE"]

# Nothing secret is behind it: the site lives for some seconds and is never served.
SECRET_KEY = "probe"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "probe_site.urls"
USE_TZ = True

if ENGINE == "djongo":
    DATABASES = {
        "default": {
            "ENGINE": "djongo",
            "NAME": DATABASE,
            "ENFORCE_SCHEMA": True,
            "CLIENT": {"host": URI},
        }
    }
    DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
    CONTRIB = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"]
else:
    DATABASES = {
        "default": {"ENGINE": "django_mongodb_backend", "NAME": DATABASE, "HOST": URI},
    }
    DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
    CONTRIB = [
        "probe_site.contrib.ObjectIdAdminConfig",
        "probe_site.contrib.ObjectIdAuthConfig",
        "probe_site.contrib.ObjectIdContentTypesConfig",
    ]

INSTALLED_APPS = [*CONTRIB, "django.contrib.messages", "probe_site"]
# Collections are made from the models: no migration of either backend takes part.
MIGRATION_MODULES = {"admin": None, "auth": None, "contenttypes": None, "probe_site": None}
# Sessions stay out of the database, so that the admin probe measures only the list page.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
# The probes report what was raised: Django's own log of it would only be noise.
LOGGING = {"version": 1, "disable_existing_loggers": True}

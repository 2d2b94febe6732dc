"""App configurations: our own, and those of contrib apps whose ids must be ObjectIds."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig as ContribAuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig as ContribContentTypesConfig
from django.urls import register_converter

from ottsonly.admin_words import name_documents_and_fields
from ottsonly.converters import ObjectIdConverter
from ottsonly.unique_indexes import make_unique_indexes_usable

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


class OttsonlyConfig(AppConfig):
    """The ground floor: money, transactions, encryption, limits, audit events."""

    name = "ottsonly"
    default_auto_field = OBJECT_ID

    def ready(self) -> None:
        from ottsonly import sentry

        register_converter(ObjectIdConverter, "objectid")
        sentry.start()
        make_unique_indexes_usable()


class ConsoleConfig(AdminConfig):
    """Django Admin with our site, which asks for the second factor."""

    default_site = "ottsonly.admin_site.ConsoleSite"
    default_auto_field = OBJECT_ID

    def ready(self) -> None:
        # Before the forms of the console are made, which ask the fields what they are called.
        name_documents_and_fields()
        super().ready()


class AuthConfig(ContribAuthConfig):
    """Permissions with ObjectId keys."""

    default_auto_field = OBJECT_ID


class ContentTypesConfig(ContribContentTypesConfig):
    """Content types with ObjectId keys."""

    default_auto_field = OBJECT_ID

"""The roof: pages of the console that show several rooms at once."""

from django.apps import AppConfig


class ConsoleRoomConfig(AppConfig):
    """Dashboard, search, exports."""

    name = "console"
    label = "console"
    default_auto_field = "django_mongodb_backend.fields.ObjectIdAutoField"

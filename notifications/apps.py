"""App configuration."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Notices for customers; listens and is imported by nobody but the page header."""

    name = "notifications"

    def ready(self) -> None:
        from notifications import receivers

        receivers.connect()

"""App configuration."""

from django.apps import AppConfig


class TelegramAlertsConfig(AppConfig):
    """Alerts for the operators; listens and is imported by nobody."""

    name = "telegram_alerts"

    def ready(self) -> None:
        from telegram_alerts import receivers

        receivers.connect()

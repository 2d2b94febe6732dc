"""App configuration."""

from django.apps import AppConfig
from django.core.checks import register


class TelegramAlertsConfig(AppConfig):
    """Alerts for the operators; listens and is imported by nobody."""

    name = "telegram_alerts"

    def ready(self) -> None:
        from telegram_alerts import checks, receivers

        receivers.connect()
        register(checks.check_chats)

"""`manage.py deliver_alerts`: send what is due, once."""

from typing import Any

from django.core.management.base import BaseCommand

from telegram_alerts.delivery import deliver_alerts


class Command(BaseCommand):
    """Send until nothing more is due."""

    help = "Send the alerts that are due to Telegram."

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        while sent := deliver_alerts():
            total += sent
        self.stdout.write(f"{total} sent")

"""`manage.py deliver_alerts`: send what is due, once."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from telegram_alerts.delivery import deliver_batch, is_configured
from telegram_alerts.models import DeliveryPause


class Command(BaseCommand):
    """Send until nothing more is due or Telegram wants us to wait; the worker does it by itself."""

    help = "Send the alerts that are due to Telegram."

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_configured():
            self.stdout.write("No Telegram bot and chat are set up: alerts are kept.")
            return
        total = 0
        while (outcome := deliver_batch()).claimed:
            total += outcome.sent
            if outcome.paused:
                break
        self.stdout.write(f"{total} sent")
        for pause in DeliveryPause.objects.filter(until__gt=timezone.now()):
            until = timezone.localtime(pause.until)
            self.stderr.write(f"Alerts wait until {until:%H:%M:%S}: {pause.reason}")

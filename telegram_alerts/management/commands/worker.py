"""`manage.py worker`: delivers alerts and whatever else waits, until it is told to stop."""

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orders.services import deliver_waiting_orders
from telegram_alerts.delivery import deliver_batch
from wallet.webhooks import apply_received

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Run the jobs in turn; run as many workers as wanted, every job claims what it does."""

    help = "Deliver alerts, apply stored web hooks, give seats to orders that wait."
    # Money first: Telegram may be slow.
    jobs = (apply_received, deliver_waiting_orders, deliver_batch)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="run every job once, for cron")
        parser.add_argument("--interval", type=float, default=2.0, help="seconds between rounds")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        before = {
            number: signal.signal(number, lambda *_args: stop.set())
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            while not stop.is_set():
                self._run_jobs(stop)
                if options["once"]:
                    return
                stop.wait(max(0.1, options["interval"]))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run_jobs(self, stop: threading.Event) -> None:
        """Run each job once; a signal lets the one in hand finish and starts no other."""
        for job in self.jobs:
            if stop.is_set():
                return
            try:
                job()
            except Exception:
                # One job that fails must not keep the others from their work.
                logger.exception("job %s failed", job.__name__)

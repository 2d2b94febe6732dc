"""`manage.py worker`: runs the periodic jobs of all rooms until it is told to stop."""

import logging
import os
import select
import signal
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from pymongo.errors import PyMongoError

from ottsonly.jobs import (
    ask_to_stop,
    forget_stop,
    register_jobs,
    run_due_jobs,
    seconds_to_next,
    stopping,
)

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 1.0
# After an error of the database itself.
OUTAGE_PAUSE_SECONDS = 3.0


class Command(BaseCommand):
    """Run the jobs that are due; run as many workers as wanted, every job is claimed."""

    help = "Deliver alerts, apply stored web hooks, end and renew subscriptions, clean up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="run every job that is due once, for cron"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # A handler may only set a flag; the pipe wakes the pause, with no lock to wait for.
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        before_fd = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        before = {
            number: signal.signal(number, lambda *_args: ask_to_stop())
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            if options["once"]:
                register_jobs()
                run_due_jobs()
            else:
                self._run(read_end)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)
            os.close(read_end)
            os.close(write_end)
            forget_stop()

    def _run(self, read_end: int) -> None:
        """Go on until a signal comes; an outage of the database is waited out."""
        registered = False
        logger.info("the worker begins")
        while not stopping():
            pause = 0.0
            try:
                if not registered:
                    register_jobs()
                    registered = True
                if not run_due_jobs():
                    pause = seconds_to_next(at_most=LONGEST_PAUSE_SECONDS)
            except (DatabaseError, PyMongoError):
                logger.exception("the database does not answer, the worker waits")
                pause = OUTAGE_PAUSE_SECONDS
            if pause and not stopping():
                with suppress(InterruptedError):
                    select.select([read_end], [], [], pause)
        logger.info("the worker was told to end, and does")

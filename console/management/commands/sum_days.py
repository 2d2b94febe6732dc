"""`manage.py sum_days`: keep the sums of closed days for the dashboard."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from console.figures import close_days, rebuild_days


class Command(BaseCommand):
    """The workers do it by themselves; this is for doing it now, or anew."""

    help = "Keep the sums of closed days; with --rebuild, make all of them anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="throw the kept sums away first")

    def handle(self, *args: Any, **options: Any) -> None:
        count = rebuild_days() if options["rebuild"] else close_days()
        self.stdout.write(f"{count} days were summed.")

"""`manage.py check_books`: do stock, wallets, orders and seats agree to the last paisa?"""

from typing import Any

from django.core.management.base import BaseCommand

from orders.books import check_books


class Command(BaseCommand):
    """Read everything, change nothing; exit 1 and name each document that is off."""

    help = "Verify, read-only, that ledger, orders, stock, seats and recharges agree."

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for finding in check_books():
            count += 1
            self.stdout.write(str(finding))
        if count:
            self.stderr.write(f"{count} found")
            raise SystemExit(1)
        self.stdout.write("The books agree.")

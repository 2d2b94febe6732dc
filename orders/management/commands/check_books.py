"""`manage.py check_books`: do stock, wallets, orders and seats agree to the last paisa?"""

from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand

from invoices.books import check_invoices
from orders.books import check_books

# The command is the roof: it asks every room, also those above the orders.
CHECKS = (check_books, check_invoices)


class Command(BaseCommand):
    """Read everything, change nothing; exit 1 and name each document that is off."""

    help = "Verify, read-only, that ledger, orders, stock, seats, recharges and invoices agree."

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for finding in chain.from_iterable(check() for check in CHECKS):
            count += 1
            self.stdout.write(str(finding))
        if count:
            self.stderr.write(f"{count} found")
            raise SystemExit(1)
        self.stdout.write("The books agree.")

"""The statement: one customer's ledger, narrowed, paged by its own numbering, and added up."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from ottsonly.money import decimal_rupees
from ottsonly.mongo import connection
from wallet.models import LedgerQuerySet, WalletTransaction

PAGE_SIZE = 25
# A printed statement is one page of HTML: whoever has more lines prints them month by month.
PRINT_MOST = 1000
CSV_CHUNK = 500
# Longer numbers do not fit the 64 bits of a sequence.
_SEQUENCE = re.compile(r"\d{1,18}", re.ASCII)
# What makes a spreadsheet take a cell for a formula, in ASCII and in full width.
_FORMULA = re.compile(r"[\s'\"]*[=+\-@|%＝＋－＠]|[\t\r\n]")


@dataclass(frozen=True)
class StatementPage:
    """Entries, newest first, and the sequences that the neighbouring pages start from."""

    entries: list[WalletTransaction]
    older_than: int | None
    newer_than: int | None


@dataclass(frozen=True)
class Figures:
    """What a statement adds up to, in paise.

    `opening` and `closing` are read off the chain of `balance_after_paise`. `paid_in` and
    `paid_out` (both positive) are those of the lines asked for; only when every kind was asked
    for is closing = opening + paid_in - paid_out.
    """

    opening_paise: int
    closing_paise: int
    paid_in_paise: int = 0
    paid_out_paise: int = 0


@dataclass(frozen=True)
class Selection:
    """The part of one customer's ledger that a statement is about.

    Args:
        kind: a reference type, or nothing for every kind.
        month: "YYYY-MM" in the shop's time zone, or nothing for all time.
    """

    user: Any
    kind: str = ""
    month: str = ""

    @property
    def lines(self) -> LedgerQuerySet:
        lines = WalletTransaction.objects.for_user(self.user)
        if self.kind:
            lines = lines.filter(reference_type=self.kind)
        if self.month:
            first, following = month_bounds(self.month)
            lines = lines.filter(created_at__gte=first, created_at__lt=following)
        return lines

    @property
    def period_text(self) -> str:
        if not self.month:
            return _("All lines")
        return date_format(month_bounds(self.month)[0], "F Y")

    @property
    def query(self) -> dict[str, str]:
        """What names this selection in an address."""
        chosen = {"kind": self.kind, "month": self.month}
        return {name: value for name, value in chosen.items() if value}

    def balance_before(self) -> int:
        """Return the balance in paise with which the month began; 0 for all time."""
        if not self.month:
            return 0
        last = (
            WalletTransaction.objects.for_user(self.user)
            .filter(created_at__lt=month_bounds(self.month)[0])
            .order_by("-created_at", "-sequence")
            .values_list("balance_after_paise", flat=True)
            .first()
        )
        return last or 0


def statement_page(
    entries: LedgerQuerySet, *, before: str = "", after: str = "", size: int = PAGE_SIZE
) -> StatementPage:
    """Return one page of a customer's entries, without counting or skipping.

    Args:
        entries: narrowed to one customer already, so that the index of the chain serves.
        before, after: a sequence as it came in the address; what is no number is ignored.
    """
    if _SEQUENCE.fullmatch(after):
        found = list(entries.filter(sequence__gt=int(after)).order_by("sequence")[: size + 1])
        more_newer, more_older = len(found) > size, True
        found = found[:size][::-1]
    else:
        more_newer = bool(_SEQUENCE.fullmatch(before))
        if more_newer:
            entries = entries.filter(sequence__lt=int(before))
        found = list(entries.order_by("-sequence")[: size + 1])
        more_older, found = len(found) > size, found[:size]
    return StatementPage(
        entries=found,
        older_than=found[-1].sequence if found and more_older else None,
        newer_than=found[0].sequence if found and more_newer else None,
    )


def month_figures(selection: Selection) -> Figures | None:
    """Return the figures of a month by one grouping over its lines; None if no money moved."""
    first, following = month_bounds(selection.month)
    within: dict[str, Any] = {"$gte": first, "$lt": following}
    asked = {"$eq": ["$reference_type", selection.kind]} if selection.kind else True
    amount = "$amount_paise"
    connection.ensure_connection()
    collection = connection.database[WalletTransaction._meta.db_table]
    groups = collection.aggregate(
        [
            {"$match": {"user_id": selection.user.pk, "created_at": within}},
            {"$sort": {"sequence": 1}},
            {
                "$group": {
                    "_id": None,
                    "amount": {"$first": amount},
                    "after": {"$first": "$balance_after_paise"},
                    "closing": {"$last": "$balance_after_paise"},
                    "paid_in": {
                        "$sum": {"$cond": [{"$and": [asked, {"$gt": [amount, 0]}]}, amount, 0]}
                    },
                    "paid_out": {
                        "$sum": {"$cond": [{"$and": [asked, {"$lt": [amount, 0]}]}, amount, 0]}
                    },
                }
            },
        ]
    )
    for found in groups:
        return Figures(
            opening_paise=found["after"] - found["amount"],
            closing_paise=found["closing"],
            paid_in_paise=found["paid_in"],
            paid_out_paise=-found["paid_out"],
        )
    return None


def quiet_figures(selection: Selection) -> Figures:
    """Return the figures of a month in which no money moved."""
    balance = selection.balance_before()
    return Figures(opening_paise=balance, closing_paise=balance)


def figures_of(entries: Sequence[WalletTransaction]) -> Figures | None:
    """Return the figures of entries in hand, newest first; None for none."""
    if not entries:
        return None
    return Figures(
        opening_paise=entries[-1].balance_after_paise - entries[-1].amount_paise,
        closing_paise=entries[0].balance_after_paise,
        paid_in_paise=sum(max(entry.amount_paise, 0) for entry in entries),
        paid_out_paise=sum(max(-entry.amount_paise, 0) for entry in entries),
    )


def csv_rows(entries: LedgerQuerySet) -> Iterator[list[str]]:
    """Give the rows of a CSV file, oldest first, read from the database in parts."""
    yield [
        _("Line"),
        _("Date"),
        _("Time (IST)"),
        _("Kind"),
        _("Description"),
        _("Amount (INR)"),
        _("Balance after (INR)"),
    ]
    ordered: Iterable[WalletTransaction] = entries.order_by("sequence").iterator(CSV_CHUNK)
    for entry in ordered:
        moment = timezone.localtime(entry.created_at)
        yield [
            str(entry.sequence),
            f"{moment:%Y-%m-%d}",
            f"{moment:%H:%M:%S}",
            spreadsheet_text(entry.kind_text),
            spreadsheet_text(entry.description),
            decimal_rupees(entry.amount_paise),
            decimal_rupees(entry.balance_after_paise),
        ]


def spreadsheet_text(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{text}" if _FORMULA.match(text) else text


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """Return the first instant of "YYYY-MM" and of the month after, in the shop's time zone."""
    year, number = (int(part) for part in month.split("-"))
    zone = timezone.get_current_timezone()
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return datetime(year, number, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone)

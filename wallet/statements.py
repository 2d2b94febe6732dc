"""The statement: one customer's ledger, narrowed and paged by its own numbering."""

import re
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from wallet.models import LedgerQuerySet, WalletTransaction

PAGE_SIZE = 25
# Longer numbers do not fit the 64 bits of a sequence.
_SEQUENCE = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True)
class StatementPage:
    """Entries, newest first, and the sequences that the neighbouring pages start from."""

    entries: list[WalletTransaction]
    older_than: int | None
    newer_than: int | None


def statement_page(entries: LedgerQuerySet, *, before: str = "", after: str = "") -> StatementPage:
    """Return one page of a customer's entries, without counting or skipping.

    Args:
        entries: narrowed to one customer already, so that the index of the chain serves.
        before, after: a sequence as it came in the address; what is no number is ignored.
    """
    if _SEQUENCE.fullmatch(after):
        found = list(entries.filter(sequence__gt=int(after)).order_by("sequence")[: PAGE_SIZE + 1])
        more_newer, more_older = len(found) > PAGE_SIZE, True
        found = found[:PAGE_SIZE][::-1]
    else:
        more_newer = bool(_SEQUENCE.fullmatch(before))
        if more_newer:
            entries = entries.filter(sequence__lt=int(before))
        found = list(entries.order_by("-sequence")[: PAGE_SIZE + 1])
        more_older, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    return StatementPage(
        entries=found,
        older_than=found[-1].sequence if found and more_older else None,
        newer_than=found[0].sequence if found and more_newer else None,
    )


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """Return the first instant of "YYYY-MM" and of the month after, in the shop's time zone."""
    year, number = (int(part) for part in month.split("-"))
    zone = timezone.get_current_timezone()
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return datetime(year, number, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone)

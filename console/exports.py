"""Exports as CSV: streamed, so that any size fits, and safe to open in a spreadsheet.

Rows are read in windows of the creation time, oldest first, so that neither side ever holds more
than one window and the database sorts nothing whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from orders.models import Order
from ottsonly.csv_export import csv_lines
from ottsonly.money import decimal_rupees
from ottsonly.mongo import moment
from subscriptions.models import Subscription
from wallet.models import WalletTransaction
from wallet.statements import spreadsheet_text

WINDOW = timedelta(days=1)
READ_AT_ONCE = 1000


@dataclass(frozen=True)
class Export:
    """One kind of export.

    Args:
        slug: in the address and the file's name.
        title: for people.
        model: what is exported; `created_at` is indexed.
        columns: heading and field (or function of a raw document). No secret is among them.
        people: the field that holds the user's id, whose phone is looked up; "" for none.
    """

    slug: str
    title: Any
    model: Any
    columns: list[tuple[str, str | Callable[[dict[str, Any]], Any]]]
    people: str = ""


def rupees(field: str) -> Callable[[dict[str, Any]], str]:
    """Return a column of rupees with two decimals, of a field in paise."""

    return lambda row: decimal_rupees(row.get(field) or 0)


EXPORTS = {
    export.slug: export
    for export in (
        Export(
            "orders",
            _("Orders"),
            Order,
            [
                ("number", "number"),
                ("bought at", "created_at"),
                ("kind", "kind"),
                ("platform", "platform_name"),
                ("plan", "plan_name"),
                ("days", "duration_days"),
                ("price", rupees("price_paise")),
                ("refunded", rupees("refunded_paise")),
                ("state", "state"),
                ("delivery", "delivery"),
                ("delivered at", "delivered_at"),
            ],
            "user_id",
        ),
        Export(
            "ledger",
            _("Ledger"),
            WalletTransaction,
            [
                ("id", "_id"),
                ("at", "created_at"),
                ("sequence", "sequence"),
                ("amount", rupees("amount_paise")),
                ("balance after", rupees("balance_after_paise")),
                ("kind", "reference_type"),
                ("reference", "reference_id"),
                ("description", "description"),
            ],
            "user_id",
        ),
        Export(
            "customers",
            _("Customers"),
            User,
            [
                ("id", "_id"),
                ("since", "created_at"),
                ("phone", "phone"),
                ("name", "name"),
                ("e-mail", "email"),
                ("role", "role"),
                ("active", "is_active"),
            ],
        ),
        Export(
            "subscriptions",
            _("Subscriptions"),
            Subscription,
            [
                ("id", "_id"),
                ("bought at", "created_at"),
                ("platform", "platform_name"),
                ("plan", "plan_name"),
                ("state", "state"),
                ("starts at", "starts_at"),
                ("delivered at", "delivered_at"),
                ("ends at", "ends_at"),
                ("own account", "customer_email"),
            ],
            "user_id",
        ),
    )
}


def stream(export: Export, first: datetime, last: datetime) -> Iterator[str]:
    """Yield the lines of an export of what was made from `first` (aware) to before `last`."""
    yield from csv_lines(_rows(export, first, last))


def _rows(export: Export, first: datetime, last: datetime) -> Iterator[list[str]]:
    headings = [name for name, _field in export.columns]
    yield [*headings, "customer's phone"] if export.people else headings
    start = first
    while start < last:
        end = min(start + WINDOW, last)
        for rows in _windows(export, start, end):
            phones = _phones(export, rows)
            for row in rows:
                values = [_value(row, field) for _name, field in export.columns]
                if export.people:
                    values.append(spreadsheet_text(phones.get(row[export.people], "")))
                yield values
        start = end


def _windows(export: Export, start: datetime, end: datetime) -> Iterator[list[dict[str, Any]]]:
    connection.ensure_connection()
    collection = connection.database[export.model._meta.db_table]
    window = {"created_at": {"$gte": moment(start), "$lt": moment(end)}}
    cursor = collection.find(window).sort([("created_at", 1), ("_id", 1)])
    rows: list[dict[str, Any]] = []
    for row in cursor.batch_size(READ_AT_ONCE):
        rows.append(row)
        if len(rows) == READ_AT_ONCE:
            yield rows
            rows = []
    if rows:
        yield rows


def _phones(export: Export, rows: list[dict[str, Any]]) -> dict[Any, str]:
    if not export.people:
        return {}
    keys = list({row[export.people] for row in rows})
    users = connection.database[User._meta.db_table]
    found = users.find({"_id": {"$in": keys}}, {"phone": 1})
    return {user["_id"]: user["phone"] for user in found}


def _value(row: dict[str, Any], field: str | Callable[[dict[str, Any]], Any]) -> str:
    if callable(field):
        # A figure of ours: its minus sign is no formula.
        return str(field(row))
    value = row.get(field)
    if isinstance(value, datetime):
        return f"{timezone.localtime(value.replace(tzinfo=UTC)):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else spreadsheet_text(str(value))

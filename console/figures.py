"""The figures of days: closed days are summed once and kept, open ones are added up when asked.

Orders, refunds and ledger entries are never changed or deleted, and carry the time of their
transaction; so a day is closed when it is over in India and no transaction of it can still be
running (MongoDB ends one after 60 seconds).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import User
from console.models import DaySum
from orders.models import Order
from ottsonly.jobs import may_continue
from ottsonly.mongo import moment
from wallet.models import WalletTransaction

CLOSES_AFTER = timedelta(minutes=10)
MOST_DAYS_AT_ONCE = 62


@dataclass
class Figures:
    """What one day, or several, came to."""

    orders: int = 0
    sales_paise: int = 0
    topups: int = 0
    topups_paise: int = 0
    refunds: int = 0
    refunds_paise: int = 0
    customers: int = 0
    platforms: dict[str, int] = field(default_factory=dict)
    # Units sold, by the id of the plan as text; renewals take none.
    plans: dict[str, int] = field(default_factory=dict)

    @property
    def average_order_paise(self) -> int:
        """Paise per order in whole rupees, rounded down; 0 without orders."""
        return self.sales_paise // self.orders // 100 * 100 if self.orders else 0

    def add(self, other: "Figures") -> None:
        for name in SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, paise in other.platforms.items():
            self.platforms[name] = self.platforms.get(name, 0) + paise
        for key, count in other.plans.items():
            self.plans[key] = self.plans.get(key, 0) + count


SUMMED = (
    "orders",
    "sales_paise",
    "topups",
    "topups_paise",
    "refunds",
    "refunds_paise",
    "customers",
)


def india_today() -> date:
    """Return the day that it is in the shop's time zone."""
    return timezone.localdate()


def start_of(day: date) -> datetime:
    """Return the first instant of a day in the shop's time zone, aware."""
    return datetime.combine(day, time(), timezone.get_current_timezone())


def days_back(count: int, *, until: date) -> list[date]:
    """Return `count` days up to `until`, oldest first."""
    return [until - timedelta(days=back) for back in range(count - 1, -1, -1)]


def figures_of(days: list[date]) -> dict[date, Figures]:
    """Return the figures of each day in `days` (consecutive, oldest first).

    Two commands: the kept sums, and one aggregation over the days that have none.
    """
    names = [day.isoformat() for day in days]
    found = {day: Figures() for day in days}
    kept = set()
    # An indexed $in: the days are the keys.
    for row in DaySum.objects.filter(pk__in=names):
        day = date.fromisoformat(row.day)
        kept.add(day)
        found[day] = Figures(
            platforms=dict(row.platforms),
            plans=dict(row.plans),
            **{name: getattr(row, name) for name in SUMMED},
        )
    missing = [day for day in days if day not in kept]
    if missing:
        added = add_up(missing[0], missing[-1])
        for day in missing:
            found[day] = added.get(day, Figures())
    return found


def sold_by_plan(count: int) -> dict[str, int]:
    """Return units sold in the last `count` days by the plan's id as text."""
    total = Figures()
    for figures in figures_of(days_back(count, until=india_today())).values():
        total.add(figures)
    return total.plans


def add_up(first: date, last: date) -> dict[date, Figures]:
    """Add up the days from `first` to `last` from the documents, by one command.

    Each part is a range of an index on the creation time.
    """
    found: dict[date, Figures] = {}
    connection.ensure_connection()
    orders = connection.database[Order._meta.db_table]
    for row in orders.aggregate(_pipeline(start_of(first), start_of(last + timedelta(days=1)))):
        key = row["_id"]
        day = key["day"].replace(tzinfo=UTC).astimezone(timezone.get_current_timezone()).date()
        figures = found.setdefault(day, Figures())
        if row["part"] == "orders":
            figures.orders += row["count"]
            figures.sales_paise += row["paise"]
            name = key["name"]
            figures.platforms[name] = figures.platforms.get(name, 0) + row["paise"]
            if key["kind"] != Order.Kind.RENEWAL:
                plan = str(key["plan"])
                figures.plans[plan] = figures.plans.get(plan, 0) + row["count"]
        elif row["part"] == "customers":
            figures.customers += row["count"]
        elif key["name"] == "recharge":
            figures.topups += row["count"]
            figures.topups_paise += row["paise"]
        elif key["name"] == "refund":
            figures.refunds += row["count"]
            figures.refunds_paise += row["paise"]
    return found


def _pipeline(start: datetime, end: datetime) -> list[dict[str, Any]]:
    window = {"created_at": {"$gte": moment(start), "$lt": moment(end)}}
    ledger = {**window, "reference_type": {"$in": ["recharge", "refund"]}}
    return [
        *_grouped(
            window,
            "orders",
            "$platform_name",
            "$price_paise",
            {"plan": "$plan_id", "kind": "$kind"},
        ),
        {
            "$unionWith": {
                "coll": WalletTransaction._meta.db_table,
                "pipeline": _grouped(ledger, "ledger", "$reference_type", "$amount_paise"),
            }
        },
        {
            "$unionWith": {
                "coll": User._meta.db_table,
                "pipeline": _grouped({**window, "role": "user"}, "customers", "$role", 0),
            }
        },
    ]


def _grouped(
    match: dict[str, Any], part: str, name: str, paise: Any, finer: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    day = {
        "$dateTrunc": {
            "date": "$created_at",
            "unit": "day",
            "timezone": timezone.get_current_timezone_name(),
        }
    }
    return [
        {"$match": match},
        {
            "$group": {
                "_id": {"day": day, "name": name, **(finer or {})},
                "count": {"$sum": 1},
                "paise": {"$sum": paise},
            }
        },
        {"$set": {"part": part}},
    ]


def last_closed_day(now: datetime) -> date:
    """Return the latest day that nothing can be added to any more."""
    return timezone.localtime(now - CLOSES_AFTER).date() - timedelta(days=1)


def close_days() -> int:
    """Keep the sums of the closed days that have none yet and return how many were kept.

    A job of the workers; goes back to the first order, a bounded number of days at a time.
    """
    last = last_closed_day(timezone.now())
    latest = DaySum.objects.order_by("-pk").values_list("pk", flat=True).first()
    first = date.fromisoformat(latest) + timedelta(days=1) if latest else _first_day()
    if first is None or first > last:
        return 0
    missing = days_back((last - first).days + 1, until=last)
    done = 0
    for start in range(0, len(missing), MOST_DAYS_AT_ONCE):
        if not may_continue():
            break
        done += _keep(missing[start : start + MOST_DAYS_AT_ONCE])
    return done


def _keep(days: list[date]) -> int:
    summed = add_up(days[0], days[-1])
    for day in days:
        save_sum(day, summed.get(day, Figures()))
    return len(days)


def save_sum(day: date, figures: Figures) -> None:
    """Write the sum of a day; the same day is simply written again."""
    values = {name: getattr(figures, name) for name in SUMMED}
    DaySum(day=day.isoformat(), platforms=figures.platforms, plans=figures.plans, **values).save()


def rebuild_days() -> int:
    """Throw every kept sum away and make all of them anew."""
    DaySum.objects.all().delete()
    return close_days()


def _first_day() -> date | None:
    # Sorts whole collections on the embedded server, so it is asked for the first sum only.
    moments: Iterable[datetime] = [
        moment
        for model in (User, Order, WalletTransaction)
        for moment in model.objects.order_by("created_at").values_list("created_at", flat=True)[:1]
    ]
    earliest = min(moments, default=None)
    return None if earliest is None else timezone.localtime(earliest).date()

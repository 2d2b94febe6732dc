"""Today: what the shop did, and what needs hands now."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from console.figures import Figures, days_back, figures_of, india_today
from console.hands import Line, lines
from ottsonly.money import format_rupees
from ottsonly.mongo import moment
from subscriptions.models import Subscription

PERIODS = {"1": 1, "7": 7, "30": 30}
# Measures of the drawing, in its own units.
CHART_WIDTH, CHART_HEIGHT, LABEL_HEIGHT = 640, 180, 22


@dataclass(frozen=True)
class Bar:
    """One bar of a chart, in units of the drawing."""

    label: str
    value: str
    x: float
    y: float
    width: float
    height: float
    shows_label: bool
    label_x: float
    orders: int = 0
    share: int = 0


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the index page of the console shows; called by Unfold."""
    chosen = request.GET.get("days", "7")
    count = PERIODS.get(chosen, 7)
    days = days_back(count, until=india_today())
    by_day = figures_of(days)
    total = Figures()
    for figures in by_day.values():
        total.add(figures)
    context.update(
        {
            "title": _("Today"),
            "periods": [
                {"days": days, "text": text, "selected": days == count}
                for days, text in ((1, _("Today")), (7, _("7 days")), (30, _("30 days")))
            ],
            "tiles": _tiles(total),
            "day_bars": _day_bars(by_day) if count > 1 else [],
            "platform_bars": _platform_bars(total),
            "chart": {
                "width": CHART_WIDTH,
                "height": CHART_HEIGHT + LABEL_HEIGHT,
                "base": CHART_HEIGHT,
                "label_y": CHART_HEIGHT + 16,
            },
            "work_lines": [_line(line) for line in lines(request.user)],
        }
    )
    return context


def active_subscriptions() -> int:
    """Return how many subscriptions run now, by a range of an index."""
    connection.ensure_connection()
    collection = connection.database[Subscription._meta.db_table]
    running = {"state": Subscription.State.ACTIVE.value, "ends_at": {"$gt": moment(timezone.now())}}
    return collection.count_documents(running)


def _tiles(total: Figures) -> list[dict[str, str]]:
    return [
        {"name": _("Sales"), "value": format_rupees(total.sales_paise), "main": "1"},
        {"name": _("Orders"), "value": f"{total.orders:,}"},
        {"name": _("Average order"), "value": format_rupees(total.average_order_paise)},
        {
            "name": _("Top-ups"),
            "value": format_rupees(total.topups_paise),
            "note": _("%d payments") % total.topups,
        },
        {
            "name": _("Refunds"),
            "value": format_rupees(total.refunds_paise),
            "note": _("%d refunds") % total.refunds,
        },
        {"name": _("New customers"), "value": f"{total.customers:,}"},
        {
            "name": _("Active subscriptions"),
            "value": f"{active_subscriptions():,}",
            "note": _("now"),
        },
    ]


def _day_bars(by_day: dict[date, Figures]) -> list[Bar]:
    most = max((figures.sales_paise for figures in by_day.values()), default=0)
    step = CHART_WIDTH / len(by_day)
    bars = []
    # Every label of a week fits; of a month every fifth does.
    every = 1 if len(by_day) <= 7 else 5
    for number, (day, figures) in enumerate(by_day.items()):
        height = round(figures.sales_paise / most * (CHART_HEIGHT - 10), 1) if most else 0
        bars.append(
            Bar(
                label=f"{day:%-d %b}",
                value=format_rupees(figures.sales_paise),
                x=round(number * step + step * 0.12, 1),
                y=round(CHART_HEIGHT - height, 1),
                width=round(step * 0.76, 1),
                height=height,
                shows_label=(len(by_day) - 1 - number) % every == 0,
                label_x=round(number * step + step / 2, 1),
                orders=figures.orders,
            )
        )
    return bars


def _platform_bars(total: Figures) -> list[Bar]:
    ranked = sorted(total.platforms.items(), key=lambda pair: -pair[1])
    most = ranked[0][1] if ranked else 0
    sold = sum(total.platforms.values())
    return [
        Bar(
            label=name,
            value=format_rupees(paise),
            x=0,
            y=0,
            width=round(paise / most * 100, 1) if most else 0,
            height=10,
            shows_label=True,
            label_x=0,
            share=round(paise * 100 / sold) if sold else 0,
        )
        for name, paise in ranked
    ]


def _line(line: Line) -> dict[str, Any]:
    return {
        "title": line.work.title,
        "count": line.count,
        "url": line.url,
        "urgent": line.work.urgent and line.count > 0,
        "oldest": _("oldest for %s") % timesince(line.oldest, depth=1) if line.oldest else "",
    }

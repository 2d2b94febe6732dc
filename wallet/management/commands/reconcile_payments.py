"""`manage.py reconcile_payments --since 2026-01-01`: Razorpay's books against ours."""

from datetime import datetime, time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from ottsonly.errors import ShopError
from ottsonly.money import format_rupees
from wallet.models import OpenItem
from wallet.reconciliation import Report, reconcile

WIDTH = 76


class Command(BaseCommand):
    """Recover lost news, name what nobody explains; exit 1 when the two books still differ."""

    help = "Compare Razorpay's payments and refunds with ours, to the paisa."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", required=True, help="day or time, such as 2026-01-31")
        parser.add_argument("--until", help="day (included) or time; now if it is not given")

    def handle(self, *args: Any, **options: Any) -> None:
        since = _moment(options["since"], time.min)
        until = _moment(options["until"], time.max) if options["until"] else timezone.now()
        if since >= until:
            raise CommandError("--since must be before --until.")
        if not settings.RAZORPAY_KEY_ID:
            raise CommandError("RAZORPAY_KEY_ID is not set: there is nobody to ask.")
        try:
            report = reconcile(since=since, until=until)
        except ShopError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("\n".join(_lines(report)))
        if report.difference_paise:
            raise SystemExit(1)


def _moment(text: str, at: time) -> datetime:
    """Return a day's beginning or end, or a time, in the shop's time zone."""
    try:
        day = parse_date(text)
        moment = datetime.combine(day, at) if day else parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"{text!r} is no day such as 2026-01-31 and no time.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _lines(report: Report) -> list[str]:
    zone = timezone.get_current_timezone()
    since, until = report.since.astimezone(zone), report.until.astimezone(zone)
    lines = [f"From {since:%d %b %Y %H:%M} to {until:%d %b %Y %H:%M}", ""]
    lines += [f"recovered: {name}" for name in report.recovered]
    lines += [
        _line("captured at Razorpay", report.captured_paise),
        _line("- refunded at source", -report.refunded_paise),
        _line("= at Razorpay", report.captured_paise - report.refunded_paise),
        "",
        _line("top-ups credited", report.credited_paise),
        _line("- source refunds processed", -report.source_refunds_paise),
    ]
    lines += [
        _line(f"+ {item} ({item.get_state_display().lower()})", item.amount_paise)
        for item in report.items
    ]
    lines += [
        _line("= here", report.credited_paise - report.source_refunds_paise + report.items_paise),
        "",
        _line("difference", report.difference_paise),
        "",
        _line("fees", -report.fees_paise),
        _line("tax on fees", -report.tax_paise),
        _line("settlement", report.settlement_paise),
    ]
    waiting = OpenItem.objects.filter(state=OpenItem.State.OPEN).count()
    if waiting:
        lines.append(f"\n{waiting} open items of all times wait for an operator.")
    return lines


def _line(label: str, paise: int) -> str:
    return f"{label:<{WIDTH}}{format_rupees(paise):>16}"

"""What is told in one message: the alerts of the quiet hours, and the day that has passed."""

from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Count, F, Sum
from django.urls import reverse
from django.utils import timezone

from catalog.models import Plan
from orders.models import Order
from ottsonly.jobs import may_continue
from ottsonly.models import PeriodicJob
from ottsonly.money import format_rupees
from ottsonly.mongo import in_transaction
from telegram_alerts.chats import chats, chats_for, is_quiet
from telegram_alerts.delivery import retire_unknown_chats
from telegram_alerts.models import Alert
from telegram_alerts.texts import clipped, console_link, fitting
from wallet.models import WalletTransaction

# Documents of one transaction; what is left makes another digest.
DIGEST_SIZE = 200
WAITING_COUNTED = 1000


def collect_held() -> None:
    """Make digests of what was held once the quiet hours are over; a job of the worker."""
    retire_unknown_chats()
    if is_quiet():
        return
    for chat in ["", *chats()]:
        while may_continue() and in_transaction(partial(_collect, chat)):
            continue


def _collect(chat: str) -> int:
    """Put the oldest held alerts of a chat into one digest; return how many."""
    held = Alert.objects.filter(state=Alert.State.HELD, chat=chat)
    found = list(held.order_by("next_attempt_at")[:DIGEST_SIZE])
    if not found:
        return 0
    moved = Alert.objects.filter(
        pk__in=[alert.pk for alert in found], state=Alert.State.HELD
    ).update(state=Alert.State.COLLECTED)
    if moved == len(found):
        Alert.objects.create(kind=Alert.Kind.DIGEST, chat=chat, text=_digest_text(found))
    return moved


def _digest_text(alerts: list[Alert]) -> str:
    count = len(alerts)
    title = "While it was quiet: 1 alert" if count == 1 else f"While it was quiet: {count} alerts"
    link = console_link(reverse("admin:telegram_alerts_alert_changelist"), "All in the console")
    head, more = f"<b>{title}</b>", f"and {count} more"
    lines = list(fitting(map(_digest_line, alerts), head, more, link))
    if len(lines) < count:
        lines.append(f"and {count - len(lines)} more")
    return "\n".join([head, *lines, link])


def _digest_line(alert: Alert) -> str:
    """Return the time and the first two lines of an alert, which are escaped already."""
    at = timezone.localtime(alert.created_at)
    title, *rest = alert.text.replace("<b>", "").replace("</b>", "").split("\n")
    detail = f": {rest[0]}" if len(rest) > 1 else ""
    return f"{at:%H:%M} {title}{detail}"


def send_daily_summary() -> None:
    """Write the summary of yesterday, once for each chat whoever is asked; a job of the worker."""
    zone = ZoneInfo(settings.TIME_ZONE)
    today = timezone.now().astimezone(zone).date()
    text = summary_text(today - timedelta(days=1))
    for chat in chats_for(Alert.Kind.SUMMARY):
        try:
            Alert.objects.create(
                kind=Alert.Kind.SUMMARY, chat=chat, text=text, key=f"summary:{today}:{chat}"
            )
        except IntegrityError:
            # Written already.
            continue


def summary_text(day: date) -> str:
    """Return what happened on `day` by the shop's clock, and what waits now."""
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(settings.TIME_ZONE))
    end = start + timedelta(days=1)
    orders = Order.objects.filter(created_at__gte=start, created_at__lt=end).aggregate(
        count=Count("pk"), total=Sum("price_paise")
    )
    # By the ledger, as the console counts them: money belongs to the day on which it moved.
    moved = WalletTransaction.objects.filter(created_at__gte=start, created_at__lt=end)
    topups, refunds = (
        moved.filter(reference_type=kind).aggregate(count=Count("pk"), total=Sum("amount_paise"))
        for kind in ("recharge", "refund")
    )
    waiting = Order.objects.waiting()[:WAITING_COUNTED].count()
    low = Plan.objects.filter(is_active=True, stock__lte=F("low_stock_threshold"))
    low_names = [str(plan) for plan in low.select_related("platform").order_by("stock")[:10]]
    failing = PeriodicJob.objects.filter(failures__gt=0).values_list("name", flat=True)
    lines = [
        f"Orders: {orders['count']}, {format_rupees(orders['total'] or 0)}",
        f"Top-ups: {topups['count']}, {format_rupees(topups['total'] or 0)}",
        f"Refunds: {refunds['count']}, {format_rupees(refunds['total'] or 0)}",
        f"Orders that wait now: {waiting}",
        f"Low stock: {', '.join(low_names) or 'none'}",
    ]
    if failing:
        lines.append(f"Jobs failing: {', '.join(failing)}")
    link = console_link(reverse("admin:orders_order_changelist"), "Orders in the console")
    return "\n".join([f"<b>{day:%d %B %Y}</b>", *(clipped(line, 400) for line in lines), link])

"""Each receiver writes one alert in the transaction of what it tells, and does nothing else."""

from html import escape
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from orders.signals import order_paid, order_refunded
from ottsonly.money import format_rupees
from subscriptions.signals import subscription_activated
from telegram_alerts.models import Alert
from wallet.signals import (
    open_item_recorded,
    payment_disputed,
    payment_succeeded,
    source_refund_finished,
    source_refund_requested,
    wallet_recharged,
)


def connect() -> None:
    """Listen to the rooms below."""
    for signal, receiver in (
        (order_paid, on_order_paid),
        (order_refunded, on_order_refunded),
        (subscription_activated, on_subscription_activated),
        (payment_succeeded, on_payment_succeeded),
        (wallet_recharged, on_wallet_recharged),
        (open_item_recorded, on_open_item_recorded),
        (payment_disputed, on_payment_disputed),
        (source_refund_requested, on_source_refund_requested),
        (source_refund_finished, on_source_refund_finished),
    ):
        signal.connect(receiver, dispatch_uid=f"telegram_alerts.{receiver.__name__}")


def _alert(kind: str, title: str, lines: list[str], document: Any) -> None:
    address = reverse(
        f"admin:{document._meta.label_lower.replace('.', '_')}_change", args=[document.pk]
    )
    text = "\n".join([f"<b>{escape(title)}</b>", *(escape(line) for line in lines)])
    link = f'<a href="{escape(settings.SITE_URL + address)}">Open in the console</a>'
    Alert.objects.create(kind=kind, text=f"{text}\n{link}")


def on_order_paid(*, order: Any, subscription: Any, **kwargs: Any) -> None:
    """New order."""
    lines = [
        f"{order.platform_name} {order.plan_name}, {format_rupees(order.price_paise)}",
        order.user.masked_phone,
        order.state_text,
    ]
    title = f"Renewal {order.number}" if order.is_renewal else f"New order {order.number}"
    _alert(Alert.Kind.NEW_ORDER, title, lines, order)


def on_order_refunded(*, order: Any, refund: Any, **kwargs: Any) -> None:
    """Refund."""
    lines = [f"{format_rupees(refund.amount_paise)} to the wallet", refund.reason]
    _alert(Alert.Kind.REFUND, f"Refund of order {order.number}", lines, order)


def on_subscription_activated(*, subscription: Any, order: Any = None, **kwargs: Any) -> None:
    """Subscription activated."""
    lines = [str(subscription), f"until {timezone.localtime(subscription.ends_at):%d %b %Y}"]
    _alert(Alert.Kind.ACTIVATED, "Subscription activated", lines, subscription)


def on_payment_succeeded(*, recharge: Any, **kwargs: Any) -> None:
    """Payment success."""
    lines = [f"{format_rupees(recharge.amount_paise)}, {recharge.payment_id}"]
    _alert(Alert.Kind.PAYMENT, "Payment captured", lines, recharge)


def on_wallet_recharged(*, recharge: Any, entry: Any, **kwargs: Any) -> None:
    """Recharge."""
    lines = [
        format_rupees(recharge.amount_paise),
        recharge.user.masked_phone,
        f"balance {format_rupees(entry.balance_after_paise)}",
    ]
    _alert(Alert.Kind.RECHARGE, "Wallet recharged", lines, recharge)


def on_open_item_recorded(*, item: Any, **kwargs: Any) -> None:
    """Money that no document explains."""
    lines = [f"{format_rupees(item.amount_paise)}, {item.reference}", item.detail]
    _alert(Alert.Kind.MONEY, f"Look at this: {item.get_kind_display()}", lines, item)


def on_payment_disputed(*, item: Any, phase: str, **kwargs: Any) -> None:
    """A dispute began or moved on; Razorpay's dashboard says until when it wants an answer."""
    lines = [item.reference, item.detail]
    _alert(Alert.Kind.MONEY, f"Payment dispute: {phase}", lines, item)


def on_source_refund_requested(*, refund: Any, **kwargs: Any) -> None:
    """Money left a wallet towards its source."""
    lines = [format_rupees(refund.amount_paise), refund.user.masked_phone, refund.reason]
    _alert(Alert.Kind.REFUND, "Refund to source requested", lines, refund)


def on_source_refund_finished(*, refund: Any, **kwargs: Any) -> None:
    """It arrived, or it is in the wallet again."""
    lines = [format_rupees(refund.amount_paise), refund.user.masked_phone, refund.failure_reason]
    _alert(Alert.Kind.REFUND, f"Refund to source: {refund.state_text}", lines, refund)

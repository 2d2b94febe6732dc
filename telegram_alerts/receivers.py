"""Each receiver writes its alerts in the transaction of what it tells, and does nothing else."""

from typing import Any

from django.utils import timezone

from catalog.models import Delivery
from catalog.signals import stock_low
from orders.models import Order
from orders.signals import order_paid, order_refunded
from ottsonly.money import format_rupees
from ottsonly.signals import job_failing
from subscriptions.signals import problem_reported, subscription_activated
from telegram_alerts.chats import write_alert
from telegram_alerts.models import Alert
from telegram_alerts.texts import document_text
from wallet.signals import (
    open_item_recorded,
    payment_disputed,
    payment_succeeded,
    source_refund_finished,
    source_refund_requested,
    wallet_recharged,
    webhook_failing,
)


def connect() -> None:
    """Listen to the rooms below."""
    for signal, receiver in (
        (order_paid, on_order_paid),
        (order_paid, on_order_without_seat),
        (order_refunded, on_order_refunded),
        (subscription_activated, on_subscription_activated),
        (payment_succeeded, on_payment_succeeded),
        (wallet_recharged, on_wallet_recharged),
        (open_item_recorded, on_open_item_recorded),
        (payment_disputed, on_payment_disputed),
        (webhook_failing, on_webhook_failing),
        (source_refund_requested, on_source_refund_requested),
        (source_refund_finished, on_source_refund_finished),
        (stock_low, on_stock_low),
        (problem_reported, on_problem_reported),
        (job_failing, on_job_failing),
    ):
        signal.connect(receiver, dispatch_uid=f"telegram_alerts.{receiver.__name__}")


def _alert(kind: str, title: str, lines: list[str], document: Any) -> None:
    write_alert(kind=kind, text=document_text(title, lines, document))


def on_order_paid(*, order: Any, subscription: Any, **kwargs: Any) -> None:
    """New order."""
    lines = [
        f"{order.platform_name} {order.plan_name}, {format_rupees(order.price_paise)}",
        order.user.masked_phone,
        order.state_text,
    ]
    title = f"Renewal {order.number}" if order.is_renewal else f"New order {order.number}"
    _alert(Alert.Kind.NEW_ORDER, title, lines, order)


def on_order_without_seat(*, order: Any, **kwargs: Any) -> None:
    """No free login: told by the first order that waits.

    Who buys the same plan at the same moment writes the same stock, so two firsts conflict and
    the second is tried again with the first in sight.
    """
    if order.delivery != Delivery.INSTANT or not order.is_waiting:
        return
    others = Order.objects.waiting().filter(plan_id=order.plan_id).exclude(pk=order.pk)
    if others.exists():
        return
    lines = ["The pool has no free login. Orders wait until accounts are added or rotated."]
    title = f"Orders wait: {order.platform_name} {order.plan_name}"
    _alert(Alert.Kind.POOL_EMPTY, title, lines, order.plan)


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


def on_webhook_failing(*, event: Any, **kwargs: Any) -> None:
    """News of Razorpay's that cannot be applied: money may wait for it."""
    lines = [f"{event.type}, {event.attempts} times in a row", event.note]
    _alert(Alert.Kind.MONEY, f"Web hook event not applied: {event.pk}", lines, event)


def on_source_refund_requested(*, refund: Any, **kwargs: Any) -> None:
    """Money left a wallet towards its source."""
    lines = [format_rupees(refund.amount_paise), refund.user.masked_phone, refund.reason]
    _alert(Alert.Kind.REFUND, "Refund to source requested", lines, refund)


def on_source_refund_finished(*, refund: Any, **kwargs: Any) -> None:
    """It arrived, or it is in the wallet again."""
    lines = [format_rupees(refund.amount_paise), refund.user.masked_phone, refund.failure_reason]
    _alert(Alert.Kind.REFUND, f"Refund to source: {refund.state_text}", lines, refund)


def on_stock_low(*, plan: Any, **kwargs: Any) -> None:
    """Low stock, once for each time that it falls to the threshold."""
    lines = [f"{plan.stock} left, the threshold is {plan.low_stock_threshold}"]
    _alert(Alert.Kind.LOW_STOCK, f"Low stock: {plan.platform.name} {plan.name}", lines, plan)


def on_job_failing(*, job: Any, **kwargs: Any) -> None:
    """A job of the worker fails again and again."""
    lines = [f"{job.failures} times in a row", job.last_error]
    _alert(Alert.Kind.JOB_FAILING, f"Job failing: {job.name}", lines, job)


def on_problem_reported(*, report: Any, subscription: Any, **kwargs: Any) -> None:
    """A customer says that something does not work; what was typed may be a password."""
    lines = [str(subscription), report.get_category_display(), report.user.masked_phone]
    _alert(Alert.Kind.PROBLEM, "Problem report", lines, report)

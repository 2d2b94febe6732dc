"""Each receiver writes one notice in the transaction of what it tells, and does nothing else."""

from typing import Any

from django.utils.text import Truncator
from django.utils.translation import gettext as _

from notifications.models import Notification
from orders.signals import order_delivered, order_paid, order_refunded
from ottsonly.money import format_rupees
from wallet.signals import wallet_recharged


def connect() -> None:
    """Listen to the rooms below."""
    for signal, receiver in (
        (order_paid, on_order_paid),
        (order_delivered, on_order_delivered),
        (order_refunded, on_order_refunded),
        (wallet_recharged, on_wallet_recharged),
    ):
        signal.connect(receiver, dispatch_uid=f"notifications.{receiver.__name__}")


def _title(text: str) -> str:
    """Keep to the field: names of platforms and plans together may be longer."""
    return Truncator(text).chars(120)


def on_order_paid(*, order: Any, subscription: Any, **kwargs: Any) -> None:
    """An order that waits says so; one delivered at once is told of by its delivery."""
    if not order.is_waiting:
        return
    Notification.objects.create(
        user_id=order.user_id,
        kind=Notification.Kind.ORDER,
        title=_title(_("%s is being prepared") % subscription),
        body=_("We have your payment for order %s and tell you when it is ready.") % order.number,
        link=order.get_absolute_url(),
    )


def on_order_delivered(*, order: Any, subscription: Any, **kwargs: Any) -> None:
    """The login details, or the invitation, are there."""
    Notification.objects.create(
        user_id=order.user_id,
        kind=Notification.Kind.ORDER,
        title=_title(_("%s is ready") % subscription),
        body=_("Order %s was delivered. Your days have started.") % order.number,
        link=subscription.get_absolute_url(),
    )


def on_order_refunded(*, order: Any, refund: Any, **kwargs: Any) -> None:
    """Money came back."""
    Notification.objects.create(
        user_id=order.user_id,
        kind=Notification.Kind.REFUND,
        title=_("%s are back in your wallet") % format_rupees(refund.amount_paise),
        body=_("Refund of order %s.") % order.number,
        link=order.get_absolute_url(),
    )


def on_wallet_recharged(*, recharge: Any, entry: Any, **kwargs: Any) -> None:
    """A top-up arrived."""
    Notification.objects.create(
        user_id=recharge.user_id,
        kind=Notification.Kind.WALLET,
        title=_("%s are in your wallet") % format_rupees(recharge.amount_paise),
        body=_("Your balance is %s.") % format_rupees(entry.balance_after_paise),
        link=recharge.get_absolute_url(),
    )

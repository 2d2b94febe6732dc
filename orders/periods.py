"""Which days each order paid for.

The periods of a subscription's orders and extensions never overlap. Each is as long as what was
bought or given; they follow one another from the first delivery, and the last one ends with the
subscription. A refund cuts off what is still to come of its own order's period and moves the later
ones forward by as much, so no day that somebody else paid for is lost, and none is given away.
"""

from datetime import datetime, timedelta

from django.db.models import F

from orders.models import Order
from ottsonly.states import sources
from subscriptions.models import Extension, Subscription

NOTHING = timedelta()


def append_period(order: Order, subscription: Subscription, *, now: datetime) -> datetime:
    """Set the period of a renewal that is not saved yet; return the subscription's new end.

    Without a delivery nothing starts yet: only the foreseen end moves.
    """
    days = timedelta(days=order.duration_days)
    if subscription.delivered_at is None:
        return subscription.ends_at + days
    order.state = Order.State.COMPLETED
    order.delivered_at = now
    order.period_start = max(subscription.ends_at, now)
    order.period_end = order.period_start + days
    return order.period_end


def lay_out_periods(subscription: Subscription, *, now: datetime) -> datetime:
    """Start all paid and given days at `now`, one after the other; return where they end.

    Completes every order that waited with this subscription; only inside a transaction.
    """
    end = now
    waiting = Order.objects.filter(
        subscription_id=subscription.pk,
        state__in=sources(Order.TRANSITIONS, Order.State.COMPLETED),
    )
    for order in waiting.order_by("created_at", "pk"):
        start, end = end, end + timedelta(days=order.duration_days)
        Order.objects.filter(pk=order.pk).update(
            state=Order.State.COMPLETED, delivered_at=now, period_start=start, period_end=end
        )
    for extension in Extension.objects.filter(subscription_id=subscription.pk).order_by("pk"):
        start, end = end, end + timedelta(days=extension.days)
        Extension.objects.filter(pk=extension.pk).update(period_start=start, period_end=end)
    return end


def unused_time(order: Order, *, now: datetime) -> timedelta:
    """Return how much of the time that `order` paid for is still to come at `now`."""
    if order.state == Order.State.REFUNDED:
        return NOTHING
    if order.period_start is None or order.period_end is None:
        return timedelta(days=order.duration_days)
    return max(NOTHING, order.period_end - max(order.period_start, now))


def cut_period(order: Order, *, now: datetime) -> timedelta:
    """Take what is unused out of the row of periods and return how much that was.

    Only inside a transaction, and before the order's state says that it is refunded.
    """
    unused = unused_time(order, now=now)
    if order.period_end is None or not unused:
        return unused
    Order.objects.filter(pk=order.pk).update(period_end=order.period_end - unused)
    for later in (
        Order.objects.filter(subscription_id=order.subscription_id),
        Extension.objects.filter(subscription_id=order.subscription_id),
    ):
        later.filter(period_start__gte=order.period_end).update(
            period_start=F("period_start") - unused, period_end=F("period_end") - unused
        )
    return unused

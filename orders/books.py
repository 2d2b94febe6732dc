"""All checks of the books, and those of the orders."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from bson import ObjectId
from django.db.models import Sum

from catalog.books import check_stock
from catalog.models import StockMovement
from orders.models import Order, Refund
from ottsonly.findings import Finding, looked_at_twice
from subscriptions.books import check_missing_seats, check_seat_holders, check_seats
from subscriptions.models import Extension, Subscription
from wallet.books import (
    check_ledger,
    check_open_items,
    check_recharges,
    check_source_refunds,
)
from wallet.models import WalletTransaction


def check_books() -> Iterator[Finding]:
    """Yield every document that breaks a rule; reads only, and streams.

    It may run while the shop sells: whatever looks wrong is read again in one snapshot before it
    is reported.
    """
    yield from check_ledger()
    yield from check_recharges()
    yield from check_source_refunds()
    yield from check_open_items()
    yield from check_orders()
    yield from check_references()
    yield from check_periods()
    yield from check_stock()
    yield from check_seats()
    yield from check_seat_holders()
    yield from check_missing_seats()


def check_orders() -> Iterator[Finding]:
    """Yield each order without its entry, subscription or stock movement, or over-refunded."""
    yield from looked_at_twice(
        _order_findings, Order.objects.values_list("pk", flat=True).iterator()
    )


def _order_findings(order_id: ObjectId) -> list[Finding]:
    order = Order.objects.get(pk=order_id)
    name = f"order {order.number}"
    findings = []
    paid = list(
        WalletTransaction.objects.filter(
            reference_type="order", reference_id=str(order_id)
        ).values_list("user_id", "amount_paise")
    )
    if paid != [(order.user_id, -order.price_paise)]:
        findings.append(
            Finding("a paid order has exactly one ledger entry", name, f"entries found: {paid}")
        )
    owners = list(
        Subscription.objects.filter(pk=order.subscription_id).values_list("user_id", flat=True)
    )
    if owners != [order.user_id]:
        findings.append(
            Finding("a paid order has its subscription", name, f"owners found: {owners}")
        )
    sold = StockMovement.objects.filter(key=f"sale:{order_id}", plan_id=order.plan_id, delta=-1)
    if sold.exists() == order.is_renewal:
        detail = "a renewal took stock" if order.is_renewal else "no sale movement"
        findings.append(Finding("a purchase, and it alone, has its stock movement", name, detail))
    refunded = (
        Refund.objects.filter(order_id=order_id).aggregate(total=Sum("amount_paise"))["total"] or 0
    )
    if refunded != order.refunded_paise or refunded > order.price_paise:
        findings.append(
            Finding(
                "refunds never exceed the payment",
                name,
                f"paid {order.price_paise}, refunded_paise {order.refunded_paise}, "
                f"refunds sum to {refunded}",
            )
        )
    for refund in Refund.objects.filter(order_id=order_id):
        given = list(
            WalletTransaction.objects.filter(
                reference_type="refund", reference_id=str(refund.pk)
            ).values_list("user_id", "amount_paise")
        )
        if given != [(order.user_id, refund.amount_paise)]:
            findings.append(
                Finding(
                    "a refund has exactly one ledger entry", f"refund {refund.pk}", f"found {given}"
                )
            )
    return findings


def check_references() -> Iterator[Finding]:
    """Yield each ledger entry and stock movement whose order or refund does not exist.

    They are written together and never deleted: no second look is needed.
    """
    entries = WalletTransaction.objects.filter(reference_type__in=["order", "refund"]).order_by()
    for pk, kind, reference in entries.values_list(
        "pk", "reference_type", "reference_id"
    ).iterator():
        if not _exists(Order if kind == "order" else Refund, reference):
            yield Finding(
                "a ledger entry has its order or refund", f"entry {pk}", f"{kind} {reference}"
            )
    Reason = StockMovement.Reason
    movements = StockMovement.objects.filter(reason__in=[Reason.SALE, Reason.RETURN]).order_by()
    for pk, reference in movements.values_list("pk", "reference").iterator():
        if not _exists(Order, reference):
            yield Finding("a sold unit has its order", f"stock movement {pk}", f"order {reference}")


def _exists(model: type[Order] | type[Refund], reference: str) -> bool:
    return ObjectId.is_valid(reference) and model.objects.filter(pk=reference).exists()


def check_periods() -> Iterator[Finding]:
    """Yield each subscription whose days are not those that were paid for and given."""
    yield from looked_at_twice(
        _period_findings, Subscription.objects.values_list("pk", flat=True).iterator()
    )


def _period_findings(subscription_id: ObjectId) -> list[Finding]:
    subscription = Subscription.objects.get(pk=subscription_id)
    name = f"subscription {subscription_id}"
    orders = list(Order.objects.filter(subscription_id=subscription_id))
    findings = []
    paid = sum(order.duration_days for order in orders if order.state != Order.State.REFUNDED)
    if subscription.paid_days != paid:
        findings.append(
            Finding(
                "paid days are those of the orders that were not refunded",
                name,
                f"paid_days is {subscription.paid_days}, the orders bought {paid}",
            )
        )
    returned = StockMovement.objects.filter(
        key__in=[f"return:{order.pk}" for order in orders], delta=1
    ).count()
    expected = int(
        subscription.delivered_at is None and subscription.state == Subscription.State.CANCELLED
    )
    if returned != expected:
        findings.append(
            Finding(
                "a subscription refunded before its delivery, and it alone, gives its unit back",
                name,
                f"{returned} returned, expected {expected}",
            )
        )
    if subscription.delivered_at is not None:
        findings += _row_findings(subscription, orders, subscription.delivered_at)
    return findings


def _row_findings(
    subscription: Subscription, orders: list[Order], delivered_at: datetime
) -> list[Finding]:
    """Look whether the periods lie in a row, each as long as it should, up to the end."""
    name = f"subscription {subscription.pk}"
    periods = [
        (
            order.period_start,
            order.period_end,
            timedelta(days=order.duration_days),
            order.state == Order.State.REFUNDED,
        )
        for order in orders
    ] + [
        (extension.period_start, extension.period_end, timedelta(days=extension.days), False)
        for extension in Extension.objects.filter(subscription_id=subscription.pk)
    ]
    findings = [
        Finding(
            "a period is as long as what was bought or given, unless a refund cut it",
            name,
            f"{bought.days} days bought, period is {start} to {end}",
        )
        for start, end, bought, refunded in periods
        if (start is None or end is None or end - start != bought) and not refunded
    ]
    row = sorted((start, end) for start, end, _bought, _refunded in periods if start and end)
    findings += [
        Finding("periods never overlap", name, f"{following} is before {end}")
        for (_start, end), (following, _end) in pairwise(row)
        if following < end
    ]
    last = max((end for _start, end in row), default=delivered_at)
    ended_early = subscription.state == Subscription.State.CANCELLED and subscription.ends_at < last
    if subscription.ends_at != last and not ended_early:
        findings.append(
            Finding(
                "a subscription ends with its last period",
                name,
                f"ends_at is {subscription.ends_at}, the last period ends {last}",
            )
        )
    return findings

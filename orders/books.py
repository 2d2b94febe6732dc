"""All checks of the books, and those of the orders."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from bson import ObjectId

from catalog.books import check_stock
from catalog.models import StockMovement
from orders.models import Order, Refund
from ottsonly.findings import Finding, by_first, in_batches, looked_at_twice
from subscriptions.books import check_missing_seats, check_seat_holders, check_seats
from subscriptions.models import Extension, Subscription
from wallet.books import (
    check_ledger,
    check_open_items,
    check_recharges,
    check_source_refunds,
    entries_of,
    unknown_references,
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


def _order_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    orders = list(Order.objects.filter(pk__in=pks).order_by())
    paid = entries_of("order", pks)
    subscriptions = Subscription.objects.filter(pk__in=[order.subscription_id for order in orders])
    owners = by_first(subscriptions.order_by().values_list("pk", "user_id"))
    sales = StockMovement.objects.filter(key__in=[f"sale:{pk}" for pk in pks], delta=-1)
    sold = set(sales.order_by().values_list("key", "plan_id"))
    refunds = Refund.objects.filter(order_id__in=pks).order_by()
    refunds_of = by_first(refunds.values_list("order_id", "pk", "amount_paise"))
    given = entries_of("refund", [pk for rows in refunds_of.values() for pk, _amount in rows])
    for order in orders:
        refunded = refunds_of.get(order.pk, [])
        findings = _findings_of_sale(
            order,
            paid=paid.get(str(order.pk), []),
            owners=[user_id for (user_id,) in owners.get(order.subscription_id, [])],
            is_sold=(f"sale:{order.pk}", order.plan_id) in sold,
            refunded_paise=sum(amount for _pk, amount in refunded),
        )
        for refund_id, amount_paise in refunded:
            entries = given.get(str(refund_id), [])
            if entries != [(order.user_id, amount_paise)]:
                findings.append(
                    Finding(
                        "a refund has exactly one ledger entry",
                        f"refund {refund_id}",
                        f"found {entries}",
                    )
                )
        yield order.pk, findings


def _findings_of_sale(
    order: Order,
    *,
    paid: list[tuple[Any, ...]],
    owners: list[ObjectId],
    is_sold: bool,
    refunded_paise: int,
) -> list[Finding]:
    name = f"order {order.number}"
    findings = []
    if paid != [(order.user_id, -order.price_paise)]:
        findings.append(
            Finding("a paid order has exactly one ledger entry", name, f"entries found: {paid}")
        )
    if owners != [order.user_id]:
        findings.append(
            Finding("a paid order has its subscription", name, f"owners found: {owners}")
        )
    if is_sold == order.is_renewal:
        detail = "a renewal took stock" if order.is_renewal else "no sale movement"
        findings.append(Finding("a purchase, and it alone, has its stock movement", name, detail))
    if refunded_paise != order.refunded_paise or refunded_paise > order.price_paise:
        findings.append(
            Finding(
                "refunds never exceed the payment",
                name,
                f"paid {order.price_paise}, refunded_paise {order.refunded_paise}, "
                f"refunds sum to {refunded_paise}",
            )
        )
    return findings


def check_references() -> Iterator[Finding]:
    """Yield each ledger entry and stock movement whose order or refund does not exist.

    They are written together and never deleted: no second look is needed.
    """
    for kind, model in (("order", Order), ("refund", Refund)):
        entries = WalletTransaction.objects.filter(reference_type=kind).order_by()
        for batch in in_batches(entries.values_list("pk", "reference_id").iterator()):
            for pk, reference in _without_reference(model, batch):
                yield Finding(
                    "a ledger entry has its order or refund", f"entry {pk}", f"{kind} {reference}"
                )
    Reason = StockMovement.Reason
    movements = StockMovement.objects.filter(reason__in=[Reason.SALE, Reason.RETURN]).order_by()
    for batch in in_batches(movements.values_list("pk", "reference").iterator()):
        for pk, reference in _without_reference(Order, batch):
            yield Finding("a sold unit has its order", f"stock movement {pk}", f"order {reference}")


def _without_reference(
    model: type[Order] | type[Refund], rows: list[tuple[ObjectId, str]]
) -> list[tuple[ObjectId, str]]:
    unknown = set(unknown_references(model, [reference for _pk, reference in rows]))
    return [(pk, reference) for pk, reference in rows if reference in unknown]


def check_periods() -> Iterator[Finding]:
    """Yield each subscription whose days are not those that were paid for and given."""
    yield from looked_at_twice(
        _period_findings, Subscription.objects.values_list("pk", flat=True).iterator()
    )


def _period_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    subscriptions = list(Subscription.objects.filter(pk__in=pks).order_by())
    orders_of: dict[ObjectId | None, list[Order]] = defaultdict(list)
    for order in Order.objects.filter(subscription_id__in=pks).order_by():
        orders_of[order.subscription_id].append(order)
    keys = [f"return:{order.pk}" for orders in orders_of.values() for order in orders]
    returns = StockMovement.objects.filter(key__in=keys, delta=1).order_by()
    returned = set(returns.values_list("key", flat=True))
    extensions_of: dict[ObjectId, list[Extension]] = defaultdict(list)
    for extension in Extension.objects.filter(subscription_id__in=pks).order_by():
        extensions_of[extension.subscription_id].append(extension)
    for subscription in subscriptions:
        orders = orders_of[subscription.pk]
        findings = _findings_of_days(
            subscription, orders, sum(f"return:{order.pk}" in returned for order in orders)
        )
        if subscription.delivered_at is not None:
            findings += _row_findings(
                subscription, orders, extensions_of[subscription.pk], subscription.delivered_at
            )
        yield subscription.pk, findings


def _findings_of_days(
    subscription: Subscription, orders: list[Order], returned: int
) -> list[Finding]:
    name = f"subscription {subscription.pk}"
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
    return findings


def _row_findings(
    subscription: Subscription,
    orders: list[Order],
    extensions: list[Extension],
    delivered_at: datetime,
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
        for extension in extensions
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

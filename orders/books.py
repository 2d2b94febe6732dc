"""All checks of the books, and those of the orders."""

from collections.abc import Iterator

from bson import ObjectId
from django.db.models import Sum

from catalog.books import check_stock
from catalog.models import StockMovement
from orders.models import Order, Refund
from ottsonly.findings import Finding, looked_at_twice
from subscriptions.books import check_seats
from subscriptions.models import Subscription
from wallet.books import check_ledger, check_recharges
from wallet.models import WalletTransaction


def check_books() -> Iterator[Finding]:
    """Yield every document that breaks a rule; reads only, and streams.

    It may run while the shop sells: whatever looks wrong is read again in one snapshot before it
    is reported.
    """
    yield from check_ledger()
    yield from check_recharges()
    yield from check_orders()
    yield from check_stock()
    yield from check_seats()


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
        WalletTransaction.objects.filter(key=f"order:{order_id}").values_list(
            "user_id", "amount_paise"
        )
    )
    if paid != [(order.user_id, -order.price_paise)]:
        findings.append(
            Finding("a paid order has its ledger entry", name, f"entries found: {paid}")
        )
    owners = list(
        Subscription.objects.filter(pk=order.subscription_id).values_list("user_id", flat=True)
    )
    if owners != [order.user_id]:
        findings.append(
            Finding("a paid order has its subscription", name, f"owners found: {owners}")
        )
    sold = StockMovement.objects.filter(key=f"sale:{order_id}", plan_id=order.plan_id, delta=-1)
    if not sold.exists():
        findings.append(Finding("a paid order has its stock movement", name, "no sale movement"))
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
            WalletTransaction.objects.filter(key=f"refund:{refund.pk}").values_list(
                "user_id", "amount_paise"
            )
        )
        if given != [(order.user_id, refund.amount_paise)]:
            findings.append(
                Finding("a refund has its ledger entry", f"refund {refund.pk}", f"found {given}")
            )
    return findings

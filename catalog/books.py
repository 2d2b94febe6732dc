"""Checks of the stock's books."""

from collections.abc import Iterator

from django.db.models import Sum

from catalog.models import Plan, StockMovement
from ottsonly.findings import Finding
from ottsonly.mongo import in_transaction


def check_stock() -> Iterator[Finding]:
    """Yield each plan whose stock is not the sum of its movements, or is below zero.

    A sale may commit between two reads, so a suspicion is looked at again in one snapshot.
    """
    for plan_id in Plan.objects.values_list("pk", flat=True).iterator():
        if _stock_finding(plan_id) is None:
            continue
        finding = in_transaction(lambda plan_id=plan_id: _stock_finding(plan_id))
        if finding is not None:
            yield finding


def _stock_finding(plan_id: object) -> Finding | None:
    stock = Plan.objects.values_list("stock", flat=True).get(pk=plan_id)
    total = StockMovement.objects.filter(plan_id=plan_id).aggregate(total=Sum("delta"))["total"]
    total = total or 0
    if stock == total and stock >= 0:
        return None
    return Finding(
        "stock equals the sum of its movements",
        f"plan {plan_id}",
        f"stock is {stock}, movements sum to {total}",
    )

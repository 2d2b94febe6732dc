"""Checks of the stock's books."""

from collections.abc import Iterator

from bson import ObjectId
from django.db.models import Sum

from catalog.models import Plan, StockMovement
from ottsonly.findings import Finding, looked_at_twice


def check_stock() -> Iterator[Finding]:
    """Yield each plan whose stock is not the sum of its movements, or is below zero."""
    yield from looked_at_twice(
        _stock_findings, Plan.objects.values_list("pk", flat=True).iterator()
    )


def _stock_findings(plan_id: ObjectId) -> list[Finding]:
    stock = Plan.objects.values_list("stock", flat=True).get(pk=plan_id)
    total = StockMovement.objects.filter(plan_id=plan_id).aggregate(total=Sum("delta"))["total"]
    total = total or 0
    if stock == total and stock >= 0:
        return []
    return [
        Finding(
            "stock equals the sum of its movements",
            f"plan {plan_id}",
            f"stock is {stock}, movements sum to {total}",
        )
    ]

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


def _stock_findings(plan_ids: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    stocks = list(Plan.objects.filter(pk__in=plan_ids).order_by().values_list("pk", "stock"))
    moved = StockMovement.objects.filter(plan_id__in=plan_ids).order_by().values("plan_id")
    totals = dict(moved.annotate(total=Sum("delta")).values_list("plan_id", "total"))
    for plan_id, stock in stocks:
        total = totals.get(plan_id, 0)
        if stock == total and stock >= 0:
            yield plan_id, []
            continue
        yield (
            plan_id,
            [
                Finding(
                    "stock equals the sum of its movements",
                    f"plan {plan_id}",
                    f"stock is {stock}, movements sum to {total}",
                )
            ],
        )

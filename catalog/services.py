"""What changes plans and their stock."""

from typing import Any

from bson import ObjectId
from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _

from catalog.errors import SoldOut, StockRefused
from catalog.models import Plan, StockMovement
from catalog.signals import stock_low
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction


def take_stock(*, plan_id: ObjectId, order_id: ObjectId) -> None:
    """Take one unit for an order; only inside a transaction.

    One conditional update whose count is checked: the stock cannot pass below zero whoever else
    buys at the same moment.

    Raises:
        SoldOut: there is no unit, or the plan is not sold any more.
    """
    taken = Plan.objects.filter(pk=plan_id, is_active=True, stock__gte=1).update(
        stock=F("stock") - 1
    )
    if taken != 1:
        raise SoldOut(_("This plan has just sold out. Nothing was taken from your wallet."))
    StockMovement.objects.create(
        plan_id=plan_id,
        delta=-1,
        reason=StockMovement.Reason.SALE,
        reference=str(order_id),
        key=f"sale:{order_id}",
    )
    _tell_if_low(plan_id, taken=1)


def _tell_if_low(plan_id: ObjectId, *, taken: int) -> None:
    """Tell when the last `taken` units brought the stock from above its threshold to it or below.

    Read after the update in the same transaction: whoever else takes a unit conflicts, so each
    crossing is seen by exactly one.
    """
    stock, threshold = Plan.objects.values_list("stock", "low_stock_threshold").get(pk=plan_id)
    if stock <= threshold < stock + taken:
        plan = Plan.objects.select_related("platform").get(pk=plan_id)
        stock_low.send(sender=Plan, plan=plan)


def return_stock(*, plan_id: ObjectId, order_id: ObjectId) -> None:
    """Give the unit of an undelivered, refunded order back; only inside a transaction."""
    Plan.objects.filter(pk=plan_id).update(stock=F("stock") + 1)
    StockMovement.objects.create(
        plan_id=plan_id,
        delta=1,
        reason=StockMovement.Reason.RETURN,
        reference=str(order_id),
        key=f"return:{order_id}",
    )


def restock(*, plan: Plan, delta: int, note: str, actor: Any, key: str) -> None:
    """Change the stock by `delta` units (negative takes away), never by writing a number over it.

    Args:
        key: the idempotency key of the form; the same key moves the stock once.

    Raises:
        StockRefused: delta is 0, or more would be taken away than there is.
    """
    if delta == 0:
        raise StockRefused(_("Enter by how many units the stock changes."))

    def work() -> None:
        StockMovement.objects.create(
            plan=plan,
            delta=delta,
            reason=StockMovement.Reason.RESTOCK,
            note=note,
            actor_id=getattr(actor, "pk", None),
            key=f"restock:{key}",
        )
        moved = Plan.objects.filter(pk=plan.pk, stock__gte=-delta).update(stock=F("stock") + delta)
        if moved != 1:
            raise StockRefused(_("There are fewer units left than you want to take away."))
        if delta < 0:
            _tell_if_low(plan.pk, taken=-delta)
        record_event(
            actor=actor, action="plan.restock", target=plan, after={"delta": delta, "note": note}
        )

    try:
        in_transaction(work)
    except IntegrityError:
        # The same form came twice; the first one counted.
        return

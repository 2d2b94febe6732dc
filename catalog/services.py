"""What changes plans and their stock."""

import hashlib
import json
from typing import Any

from bson import ObjectId
from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _

from catalog.errors import ChangedMeanwhile, SoldOut, StockRefused
from catalog.models import Plan, Platform, StockMovement
from catalog.signals import stock_low
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction


def take_stock(*, plan: Plan, order_id: ObjectId) -> None:
    """Take one unit for an order; only inside a transaction.

    One conditional update whose count is checked: the stock cannot pass below zero whoever else
    buys at the same moment.

    Args:
        plan: as read in this same transaction. Its stock tells whether the unit was the one that
            made it low, without reading again: had somebody changed the plan since, the update
            would meet a write conflict.

    Raises:
        SoldOut: there is no unit, or the plan is not sold any more.
    """
    taken = Plan.objects.filter(pk=plan.pk, is_active=True, stock__gte=1).update(
        stock=F("stock") - 1
    )
    if taken != 1:
        raise SoldOut(_("This plan has just sold out. Nothing was taken from your wallet."))
    plan.stock -= 1
    StockMovement.objects.create(
        plan_id=plan.pk,
        delta=-1,
        reason=StockMovement.Reason.SALE,
        reference=str(order_id),
        key=f"sale:{order_id}",
    )
    _tell_if_low(plan, taken=1)


def _tell_if_low(plan: Plan, *, taken: int) -> None:
    """Tell when the last `taken` units brought the stock from above its threshold to it or below.

    `plan` has the stock after it, known in the same transaction: whoever else takes a unit
    conflicts, so each crossing is seen by exactly one.
    """
    if plan.stock <= plan.low_stock_threshold < plan.stock + taken:
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
        StockRefused: delta is 0, more would be taken away than there is, or the key moved the
            stock by another number before.
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
            fresh = Plan.objects.select_related("platform").get(pk=plan.pk)
            _tell_if_low(fresh, taken=-delta)
        record_event(
            actor=actor, action="plan.restock", target=plan, after={"delta": delta, "note": note}
        )

    try:
        in_transaction(work)
    except (IntegrityError, StockRefused):
        # The same form may have come twice: then the first one counted.
        earlier = StockMovement.objects.filter(key=f"restock:{key}").first()
        if earlier is None:
            raise
        if (earlier.plan_id, earlier.delta) != (plan.pk, delta):
            raise StockRefused(_("This form was used for another change already.")) from None


# What may be seen in the trace of a plan or a platform, and is written by its form. The stock is
# not among them: it moves by a delta only, because buyers are changing it meanwhile.
PLAN_FIELDS = (
    "platform",
    "name",
    "slug",
    "description",
    "features",
    "price_paise",
    "list_price_paise",
    "duration_days",
    "low_stock_threshold",
    "delivery",
    "rotate_after_seat",
    "is_active",
)
PLATFORM_FIELDS = ("name", "slug", "tagline", "hue", "mark", "position", "is_active")


def save_plan(*, plan: Plan, actor: Any, seen: str = "") -> None:
    """Write a new plan, or what was changed of an old one, with an event of before and after.

    Args:
        seen: `fingerprint` of the old plan as the operator saw it.

    Raises:
        StockRefused: another plan of the platform has this slug.
        ChangedMeanwhile: it is not as it was seen any more; nothing was written.
    """
    _save_traced(plan, PLAN_FIELDS, actor, "plan", seen)


def save_platform(*, platform: Platform, actor: Any, seen: str = "") -> None:
    """Write a new platform, or what was changed of an old one, with an event.

    Args:
        seen: `fingerprint` of the old platform as the operator saw it.

    Raises:
        StockRefused: another platform has this slug.
        ChangedMeanwhile: it is not as it was seen any more; nothing was written.
    """
    _save_traced(platform, PLATFORM_FIELDS, actor, "platform", seen)


def fingerprint(document: Plan | Platform) -> str:
    """Return a short text that is another one when anything that its form writes is changed.

    The stock is left out: it moves while the form is open and the form does not write it.
    """
    fields = PLAN_FIELDS if isinstance(document, Plan) else PLATFORM_FIELDS
    values = json.dumps([_plain(document, name) for name in fields])
    return hashlib.sha256(values.encode()).hexdigest()[:32]


def check_seen(document: Plan | Platform, seen: str) -> None:
    """Refuse with ChangedMeanwhile when `seen` is not the fingerprint of `document`."""
    if seen != fingerprint(document):
        raise ChangedMeanwhile(
            _(
                "Somebody else changed this since you opened the page, so nothing was saved. "
                "Open it anew and look at their change before yours."
            )
        )


def _save_traced(
    document: Plan | Platform, fields: tuple[str, ...], actor: Any, kind: str, seen: str = ""
) -> None:
    model: Any = type(document)
    is_new = document._state.adding

    def work() -> None:
        old = None if is_new else model.objects.get(pk=document.pk)
        if old is not None and seen:
            check_seen(old, seen)
        changed = [
            name for name in fields if old is None or _plain(old, name) != _plain(document, name)
        ]
        if old is None:
            document._state.adding = True
            document.save(force_insert=True)
        elif changed:
            document.save(update_fields=changed)
        else:
            return
        record_event(
            actor=actor,
            action=f"{kind}.{'add' if old is None else 'change'}",
            target=document,
            before={name: _plain(old, name) for name in changed} if old is not None else {},
            after={name: _plain(document, name) for name in changed},
        )

    try:
        in_transaction(work)
    except IntegrityError:
        raise StockRefused(_("This short name (slug) is taken already.")) from None


def _plain(document: Any, name: str) -> Any:
    value = getattr(document, document._meta.get_field(name).attname)
    return str(value) if isinstance(value, ObjectId) else value


def set_plan_active(*, plan: Plan, is_active: bool, actor: Any) -> None:
    """Put a plan on the shelf or take it off; what was sold of it stays as it is."""
    plan.is_active = is_active
    # This field alone: what else the plan was when it was read may have changed since.
    _save_traced(plan, ("is_active",), actor, "plan")


def duplicate_plan(*, plan: Plan, name: str, slug: str, actor: Any) -> Plan:
    """Make a plan like this one, off the shelf and without stock, and return it.

    Raises:
        StockRefused: the platform has a plan with this slug; the second click meets it too.
    """
    values = {field: getattr(plan, field) for field in PLAN_FIELDS}
    values |= {"name": name, "slug": slug, "is_active": False}
    copy = Plan(**values)
    save_plan(plan=copy, actor=actor)
    return copy

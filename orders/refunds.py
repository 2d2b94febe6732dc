"""Giving money back to the wallet, and taking back what it had bought."""

from typing import Any

from bson import ObjectId
from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _

from catalog.services import return_stock
from orders.errors import RefundRefused
from orders.models import Order, Refund
from orders.periods import cut_period, unused_time
from orders.signals import order_refunded
from ottsonly import clock
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction
from ottsonly.states import sources
from subscriptions.errors import CancellationRefused
from subscriptions.models import ProblemReport, Subscription
from subscriptions.problems import answer_report
from subscriptions.seats import release_seat
from subscriptions.services import cancel_subscription
from wallet.services import ensure_wallet, post_entry


def proposed_refund_paise(order: Order) -> int:
    """Return the part of the price, in paise, that pays for time which is still to come.

    Rounded down, and never more than what is left of the payment after earlier refunds.
    """
    whole_seconds = order.duration_days * 86400
    unused_seconds = int(unused_time(order, now=clock.now()).total_seconds())
    proposed = order.price_paise * unused_seconds // whole_seconds
    return min(proposed, order.refundable_paise)


def ends_order(order: Order, *, amount_paise: int, take_back: bool) -> bool:
    """Say whether a refund ends what the order bought: when asked for, or of all that is left."""
    return take_back or amount_paise == order.refundable_paise


def refund_order(
    *, order: Order, amount_paise: int, reason: str, actor: Any, key: str, take_back: bool = True
) -> Refund:
    """Give money back to the wallet.

    Args:
        amount_paise: how much; with everything given before it never exceeds what was paid.
        take_back: end what the order bought (its days and, if none are left, the seat); the order
            is then refunded. Without it the order stays as it is, unless all that was left goes
            back.
        key: the idempotency key of the form; the same key refunds once.

    The unit of stock returns with the last order of a subscription that was never delivered; once
    delivered it does not: its seat was used.

    Raises:
        RefundRefused: the amount is not between 1 paisa and what is left, or it was refunded.
    """
    ensure_wallet(order.user_id)
    try:
        return in_transaction(
            lambda: _refund(order.pk, amount_paise, reason, actor, key, take_back)
        )
    except IntegrityError:
        earlier = Refund.objects.filter(key=key).first()
        if earlier is None:
            raise
        if (earlier.order_id, earlier.amount_paise) != (order.pk, amount_paise):
            raise RefundRefused(_("This form was used for another refund already.")) from None
        return earlier


def check_refund(*, order: Order, amount_paise: int) -> None:
    """Raise RefundRefused if `amount_paise` is more than is left of the payment, or nothing."""
    if not 0 < amount_paise <= order.refundable_paise:
        raise RefundRefused(_("The amount must be between ₹0.01 and what is left of the payment."))


def _refund(
    order_id: ObjectId, amount_paise: int, reason: str, actor: Any, key: str, take_back: bool
) -> Refund:
    refund = Refund.objects.create(
        order_id=order_id, amount_paise=max(amount_paise, 0), reason=reason, actor=actor, key=key
    )
    order = Order.objects.select_related("subscription").get(pk=order_id)
    if order.state == Order.State.REFUNDED:
        raise RefundRefused(_("This order is refunded already."))
    check_refund(order=order, amount_paise=amount_paise)
    whole = ends_order(order, amount_paise=amount_paise, take_back=take_back)
    if whole:
        _take_back(order)
    moved = Order.objects.filter(
        pk=order_id,
        refunded_paise=order.refunded_paise,
        state__in=sources(Order.TRANSITIONS, Order.State.REFUNDED) if whole else [order.state],
    ).update(
        refunded_paise=F("refunded_paise") + amount_paise,
        state=Order.State.REFUNDED if whole else order.state,
    )
    if moved != 1:
        raise RefundRefused(_("This order was changed by somebody else. Look at it again."))
    post_entry(
        user_id=order.user_id,
        amount_paise=amount_paise,
        reference_type="refund",
        reference_id=str(refund.pk),
        key=f"refund:{refund.pk}",
        description=f"Refund of order {order.number}",
        actor_id=getattr(actor, "pk", None),
    )
    record_event(
        actor=actor,
        action="order.refund",
        target=order,
        before={"refunded_paise": order.refunded_paise, "state": order.state},
        after={"amount_paise": amount_paise, "reason": reason},
    )
    order.refresh_from_db()
    order_refunded.send(sender=Order, order=order, refund=refund)
    return refund


def _take_back(order: Order) -> None:
    """Take away what this order bought and nothing else; days that other orders paid stay whole."""
    now = clock.now()
    subscription = order.subscription
    unused = cut_period(order, now=now)
    ends_at = subscription.ends_at - unused
    others = (
        Order.objects.filter(subscription_id=subscription.pk)
        .exclude(pk=order.pk)
        .exclude(state=Order.State.REFUNDED)
        .exists()
    )
    delivered = subscription.delivered_at is not None
    cancelled = subscription.state in sources(
        Subscription.TRANSITIONS, Subscription.State.CANCELLED
    ) and (not others or (delivered and ends_at <= now))
    if cancelled and delivered:
        # Days that were only given end with the last order that was paid.
        ends_at = min(ends_at, now)
    changed = Subscription.objects.filter(
        pk=subscription.pk, ends_at=subscription.ends_at, state=subscription.state
    ).update(
        ends_at=ends_at,
        paid_days=F("paid_days") - order.duration_days,
        state=Subscription.State.CANCELLED if cancelled else subscription.state,
    )
    if changed != 1:
        raise RefundRefused(_("This order was changed by somebody else. Look at it again."))
    if not cancelled:
        return
    release_seat(subscription=subscription)
    if not delivered:
        purchase = Order.objects.get(subscription_id=subscription.pk, kind=Order.Kind.PURCHASE)
        return_stock(plan_id=order.plan_id, order_id=purchase.pk)


def cancel_and_refund(
    *,
    subscription: Subscription,
    amounts_paise: dict[ObjectId, int],
    reason: str,
    actor: Any,
    key: str,
) -> Subscription:
    """End a subscription now and give money back for its orders; all of it, or nothing.

    Args:
        amounts_paise: order id -> how much goes back; an order that is left out, or has 0, is
            not refunded. None at all ends the subscription without a refund.
        key: the idempotency key of the form; the same key cancels once.

    Raises:
        CancellationRefused: it has ended already, or was not delivered and an order is left out.
        RefundRefused: an amount is above what is left of that payment, or an order is not its.
    """
    amounts = {pk: amount for pk, amount in amounts_paise.items() if amount}
    ensure_wallet(subscription.user_id)

    def work() -> Subscription:
        orders = Order.objects.filter(subscription_id=subscription.pk).order_by("created_at", "pk")
        found = [order for order in orders if order.pk in amounts]
        if len(found) != len(amounts):
            raise RefundRefused(_("This order belongs to another subscription."))
        if Subscription.objects.get(pk=subscription.pk).state != Subscription.State.ACTIVE:
            raise CancellationRefused(_("This subscription has ended already."))
        # The latest first: then no period has to move before it is cut itself.
        for order in reversed(found):
            _refund(order.pk, amounts[order.pk], reason, actor, f"{key}:{order.pk}", True)
        fresh = Subscription.objects.get(pk=subscription.pk)
        if fresh.state == Subscription.State.ACTIVE:
            fresh = cancel_subscription(subscription=fresh, reason=reason, actor=actor)
        return fresh

    try:
        return in_transaction(work)
    except IntegrityError:
        # The same form came twice: then the first one did it, and its refunds are there. Anything
        # else (a listener's own duplicate) took all of it back and must not pass for done.
        keys = [f"{key}:{pk}" for pk in amounts]
        if Refund.objects.filter(key__in=keys).count() != len(keys):
            raise
        return Subscription.objects.get(pk=subscription.pk)


def refund_and_answer(
    *,
    report: ProblemReport,
    order: Order,
    amount_paise: int,
    answer: str,
    actor: Any,
    key: str,
    take_back: bool,
) -> ProblemReport:
    """Give money back for an order of the reported subscription and answer; both or neither.

    Args:
        take_back: end what the order bought as well.

    Raises:
        ProblemRefused: it was answered already.
        RefundRefused: as for refund_order, or the order is not the subscription's.
    """
    if order.subscription_id != report.subscription_id:
        raise RefundRefused(_("This order belongs to another subscription."))
    ensure_wallet(order.user_id)

    def work() -> ProblemReport:
        answered = answer_report(
            report=report, answer=answer, actor=actor, outcome=ProblemReport.Outcome.REFUNDED
        )
        reason = f"problem report: {answered.get_category_display()}"
        _refund(order.pk, amount_paise, reason, actor, key, take_back)
        return answered

    return in_transaction(work)

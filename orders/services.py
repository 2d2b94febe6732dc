"""The one place where stock, wallet and subscription meet."""

from datetime import timedelta
from typing import Any

from bson import ObjectId
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.errors import SoldOut
from catalog.models import Delivery, Plan
from catalog.services import return_stock, take_stock
from orders.errors import DeliveryRefused, KeyReused, OrderRefused, PriceChanged, RefundRefused
from orders.models import Order, Refund
from orders.quotes import Quote
from orders.signals import order_delivered, order_paid, order_refunded
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction
from subscriptions.models import Credential, Subscription
from subscriptions.services import claim_seat, claim_seat_of, release_seat
from subscriptions.signals import subscription_activated
from wallet.services import ensure_wallet, post_entry


def place_order(*, user: Any, quote: Quote, customer_email: str = "") -> Order:
    """Buy a plan from the wallet: all of it in one transaction, or nothing.

    Stock, debit, order, subscription, ledger entry, seat, notice and alerts are written together.
    The order is written first, because its unique key is what stops the second click; the hot
    documents (stock, wallet) come last, so that others wait for them as shortly as possible.

    Args:
        quote: the signed quote of the confirm page, already verified.
        customer_email: for plans delivered to the customer's own account.

    Returns:
        The order; the earlier one when the same key bought already.

    Raises:
        SoldOut: no unit is left, or the plan is not sold any more.
        InsufficientBalance: the wallet holds less than the price.
        PriceChanged: the plan's price or days are not those of the quote.
        KeyReused: the key bought something else before.
    """
    if not user.is_customer or not user.is_active:
        raise OrderRefused(_("Only customers can buy."))
    ensure_wallet(user.pk)
    ids = (ObjectId(), ObjectId())
    try:
        return in_transaction(lambda: _buy(user, quote, customer_email, *ids))
    except IntegrityError:
        earlier = Order.objects.filter(user_id=user.pk, key=quote.key).first()
        if earlier is None:
            raise
        return _same_purchase(earlier, quote, customer_email)


def _same_purchase(order: Order, quote: Quote, customer_email: str) -> Order:
    bought = (str(order.plan_id), order.price_paise, order.duration_days, order.customer_email)
    if bought != (quote.plan_id, quote.price_paise, quote.duration_days, customer_email):
        raise KeyReused(_("This form was used for another purchase already."))
    return order


def _buy(
    user: Any, quote: Quote, customer_email: str, order_id: ObjectId, subscription_id: ObjectId
) -> Order:
    plan = Plan.objects.select_related("platform").filter(pk=ObjectId(quote.plan_id)).first()
    if plan is None or not plan.is_active or not plan.platform.is_active:
        raise SoldOut(_("This plan is not sold any more. Nothing was taken from your wallet."))
    if (plan.price_paise, plan.duration_days) != (quote.price_paise, quote.duration_days):
        raise PriceChanged(_("The price of this plan has changed. Nothing was taken."))
    if plan.delivery == Delivery.CUSTOMER_EMAIL and not customer_email:
        raise OrderRefused(_("Enter the email address of your own account."))
    now = timezone.now()
    copied = {
        "platform_name": plan.platform.name,
        "plan_name": plan.name,
        "hue": plan.platform.hue,
        "mark": plan.platform.mark,
        "delivery": plan.delivery,
        "customer_email": customer_email,
    }
    order = Order(
        pk=order_id,
        user=user,
        plan=plan,
        subscription_id=subscription_id,
        price_paise=plan.price_paise,
        duration_days=plan.duration_days,
        key=quote.key,
        created_at=now,
        **copied,
    )
    days = timedelta(days=plan.duration_days)
    subscription = Subscription(
        pk=subscription_id,
        user=user,
        plan=plan,
        paid_days=plan.duration_days,
        starts_at=now,
        ends_at=now + days,
        created_at=now,
        **copied,
    )
    seat = claim_seat(plan_id=plan.pk) if plan.delivery == Delivery.INSTANT else None
    if seat is not None:
        subscription.credential, subscription.holds_seat = seat, True
        subscription.delivered_at = order.delivered_at = order.period_start = now
        order.period_end = now + days
        order.state = Order.State.COMPLETED
    order.save(force_insert=True)
    subscription.save(force_insert=True)
    order.subscription = subscription
    order_paid.send(sender=Order, order=order, subscription=subscription)
    if seat is not None:
        order_delivered.send(sender=Order, order=order, subscription=subscription)
        subscription_activated.send(sender=Subscription, subscription=subscription, order=order)
    take_stock(plan_id=plan.pk, order_id=order_id)
    post_entry(
        user_id=user.pk,
        amount_paise=-plan.price_paise,
        reference_type="order",
        reference_id=str(order_id),
        key=f"order:{order_id}",
        description=f"{plan.platform.name} {plan.name}",
    )
    return order


def deliver(*, order: Order, actor: Any = None, credential: Credential | None = None) -> Order:
    """Deliver a paid order: assign a seat, or note that the invitation was sent.

    Args:
        credential: the account to take the seat of; None takes the pool's oldest free one. Not
            used for customer_email plans.
        actor: the operator, or None for the system.

    The days start now: `ends_at` becomes the delivery plus all paid days.

    Raises:
        DeliveryRefused: it is delivered or refunded already, or no seat is free.
        NoSeat: this account has no seat for somebody new.
    """

    def work() -> Order:
        fresh = Order.objects.select_related("subscription").get(pk=order.pk)
        subscription = fresh.subscription
        if fresh.state != Order.State.PAID or subscription.delivered_at is not None:
            raise DeliveryRefused(_("This order is not waiting for delivery any more."))
        seat = None
        if fresh.delivery != Delivery.CUSTOMER_EMAIL:
            seat = credential and Credential.objects.get(pk=credential.pk)
            if seat is not None:
                if seat.plan_id != fresh.plan_id:
                    raise DeliveryRefused(_("This account belongs to another plan."))
                claim_seat_of(credential=seat)
            else:
                seat = claim_seat(plan_id=fresh.plan_id)
            if seat is None:
                raise DeliveryRefused(_("No account with a free seat is in the pool."))
        _mark_delivered(fresh, subscription, seat)
        if actor is not None:
            record_event(actor=actor, action="order.deliver", target=fresh)
        return fresh

    return in_transaction(work)


def _mark_delivered(order: Order, subscription: Subscription, seat: Credential | None) -> None:
    now = timezone.now()
    end = now + timedelta(days=subscription.paid_days)
    moved = Order.objects.filter(pk=order.pk, state=Order.State.PAID).update(
        state=Order.State.COMPLETED, delivered_at=now, period_start=now, period_end=end
    )
    set_once = Subscription.objects.filter(
        pk=subscription.pk, delivered_at__isnull=True, state=Subscription.State.ACTIVE
    ).update(
        delivered_at=now,
        ends_at=end,
        credential=seat,
        holds_seat=seat is not None,
        invited_at=now if order.delivery == Delivery.CUSTOMER_EMAIL else None,
    )
    if (moved, set_once) != (1, 1):
        raise DeliveryRefused(_("This order is not waiting for delivery any more."))
    order.refresh_from_db()
    subscription.refresh_from_db()
    order_delivered.send(sender=Order, order=order, subscription=subscription)
    subscription_activated.send(sender=Subscription, subscription=subscription, order=order)


def deliver_waiting_orders(*, limit: int = 100) -> int:
    """Give free seats to instant orders that wait, the longest first; return how many got one."""
    delivered = 0
    empty: set[ObjectId] = set()
    waiting = Order.objects.waiting().filter(delivery=Delivery.INSTANT).order_by("created_at")
    for order in waiting[:limit]:
        if order.plan_id in empty:
            continue
        try:
            deliver(order=order)
            delivered += 1
        except DeliveryRefused:
            empty.add(order.plan_id)
    return delivered


def refund_order(
    *, order: Order, amount_paise: int, reason: str, actor: Any, key: str, take_back: bool = True
) -> Refund:
    """Give money back to the wallet.

    Args:
        amount_paise: how much; with everything given before it never exceeds what was paid.
        take_back: end what the order bought (its days and, if none are left, the seat); the order
            is then refunded. Without it the order stays as it is.
        key: the idempotency key of the form; the same key refunds once.

    An undelivered order gives its stock back, a delivered one does not: its seat was used.

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


def _refund(
    order_id: ObjectId, amount_paise: int, reason: str, actor: Any, key: str, take_back: bool
) -> Refund:
    refund = Refund.objects.create(
        order_id=order_id, amount_paise=max(amount_paise, 0), reason=reason, actor=actor, key=key
    )
    order = Order.objects.select_related("subscription").get(pk=order_id)
    if order.state == Order.State.REFUNDED:
        raise RefundRefused(_("This order is refunded already."))
    if not 0 < amount_paise <= order.refundable_paise:
        raise RefundRefused(_("The amount must be between ₹0.01 and what is left of the payment."))
    whole = take_back or amount_paise == order.refundable_paise
    moved = Order.objects.filter(
        pk=order_id, state=order.state, refunded_paise=order.refunded_paise
    ).update(
        refunded_paise=F("refunded_paise") + amount_paise,
        state=Order.State.REFUNDED if whole else order.state,
    )
    if moved != 1:
        raise RefundRefused(_("This order was changed by somebody else. Look at it again."))
    if whole:
        _take_back(order)
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
    """Take away what this order bought and nothing else.

    Undelivered: its unit of stock returns. Delivered: the part of its own period that is still to
    come is cut out; days that other orders paid stay whole.
    """
    now = timezone.now()
    subscription = order.subscription
    if order.period_start is None or order.period_end is None:
        return_stock(plan_id=order.plan_id, order_id=order.pk)
        unused = timedelta(days=order.duration_days)
    else:
        unused = max(timedelta(), order.period_end - max(order.period_start, now))
    ends_at = subscription.ends_at - unused
    others = (
        Order.objects.filter(subscription_id=subscription.pk)
        .exclude(pk=order.pk)
        .exclude(state=Order.State.REFUNDED)
        .exists()
    )
    over = not others or (subscription.delivered_at is not None and ends_at <= now)
    Subscription.objects.filter(pk=subscription.pk, ends_at=subscription.ends_at).update(
        ends_at=ends_at,
        paid_days=F("paid_days") - order.duration_days,
        state=Subscription.State.CANCELLED if over else subscription.state,
    )
    if over:
        release_seat(subscription=subscription)

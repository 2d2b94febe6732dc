"""The one place where stock, wallet and subscription meet."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from django.conf import settings
from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.gst_states import STATES
from accounts.models import User
from catalog.errors import SoldOut
from catalog.models import Delivery, Plan
from catalog.services import take_stock
from orders.errors import (
    DeliveryRefused,
    KeyReused,
    OrderRefused,
    PoolEmpty,
    PriceChanged,
    RenewalRefused,
    TooManyPurchases,
)
from orders.models import Order
from orders.periods import append_period, lay_out_periods
from orders.quotes import Quote
from orders.signals import order_delivered, order_paid
from ottsonly import clock
from ottsonly.audit import record_event
from ottsonly.errors import ShopError
from ottsonly.jobs import may_continue
from ottsonly.limits import allow
from ottsonly.metrics import purchase_counted
from ottsonly.mongo import in_transaction
from subscriptions.models import Credential, Subscription
from subscriptions.pool import seat_those_without
from subscriptions.seats import claim_seat, claim_seat_of
from subscriptions.services import add_credential
from subscriptions.signals import subscription_activated
from wallet.services import post_entry

logger = logging.getLogger(__name__)


def place_order(
    *, user: Any, quote: Quote, customer_email: str = "", state_code: str = ""
) -> Order:
    """Buy a plan from the wallet: all of it in one transaction, or nothing.

    Stock, debit, order, subscription, ledger entry, seat, notice and alerts are written together.
    The order is written first, because its unique key is what stops the second click; the hot
    documents (stock, wallet) come last, so that others wait for them as shortly as possible.

    Args:
        quote: the signed quote of the confirm page, already verified.
        customer_email: for plans delivered to the customer's own account.
        state_code: the State of the customer, if it was asked now; it becomes the user's own.

    Returns:
        The order; the earlier one when the same key bought already.

    Raises:
        SoldOut: no unit is left, or the plan is not sold any more.
        InsufficientBalance: the wallet holds less than the price.
        PriceChanged: the plan's price or days are not those of the quote.
        KeyReused: the key bought something else before.
    """
    if quote.renews:
        raise OrderRefused(_("This page belongs to another purchase. Please look at it again."))
    ids = (ObjectId(), ObjectId())
    return _once(
        user, quote, lambda: _buy(user, quote, customer_email, state_code, *ids), customer_email
    )


def renew(
    *, user: Any, quote: Quote, state_code: str = "", automatic_for: datetime | None = None
) -> Order:
    """Add a period to a subscription from the wallet, at the quoted price: all of it, or nothing.

    It takes no stock and keeps the seat. The period starts where the last one ends, or now where
    that is past; while the first delivery is still awaited, it follows the days bought before.

    Args:
        quote: verified, with `renews` naming the subscription. Whoever renews by itself makes one
            with a key derived from subscription and end, so that no end is renewed twice.
        state_code: as for a purchase.
        automatic_for: the end that an automatic renewal is for: it is made only if that is still
            the end and the customer still wants it.

    Returns:
        The order of the renewal; the earlier one when the same key renewed already.

    Raises:
        RenewalRefused: it is not the user's, it ended, or it was changed at the same moment.
        SoldOut: the plan is not sold any more.
        InsufficientBalance, PriceChanged, KeyReused: as for a purchase.
    """
    order_id = ObjectId()
    return _once(
        user, quote, lambda: _add_renewal(user, quote, state_code, order_id, automatic_for)
    )


def _once(
    user: Any, quote: Quote, work: Callable[[], Order], customer_email: str | None = None
) -> Order:
    """Run `work` in a transaction; the same key again returns the order that it made before."""
    if not user.is_customer or not user.is_active:
        raise OrderRefused(_("Only customers can buy."))
    try:
        with purchase_counted("renewal" if quote.renews else "purchase"):
            if not allow(f"purchase:{user.pk}", limit=settings.PURCHASES_PER_HOUR, seconds=3600):
                raise TooManyPurchases(
                    _("You bought a lot just now. Please go on in an hour. Nothing was taken.")
                )
            return in_transaction(work)
    except (IntegrityError, ShopError):
        # A second click is no further purchase: it is shown the first one, also when the plan was
        # changed or taken off sale in between, or the money is gone because the first one spent it.
        earlier = Order.objects.filter(user_id=user.pk, key=quote.key).first()
        if earlier is None:
            raise
        return _same_purchase(earlier, quote, customer_email)


def _same_purchase(order: Order, quote: Quote, customer_email: str | None) -> Order:
    renewed = str(order.subscription_id) if order.is_renewal else ""
    email = order.customer_email if customer_email is None else customer_email
    bought = (str(order.plan_id), order.price_paise, order.duration_days, renewed)
    asked = (quote.plan_id, quote.price_paise, quote.duration_days, quote.renews)
    if bought != asked or order.customer_email != email:
        raise KeyReused(_("This form was used for another purchase already."))
    return order


def _plan_at(quote: Quote) -> Plan:
    """Return the plan as it is now, if it is still sold as quoted."""
    plan = Plan.objects.select_related("platform").filter(pk=ObjectId(quote.plan_id)).first()
    if plan is None or not plan.is_active or not plan.platform.is_active:
        raise SoldOut(_("This plan is not sold any more. Nothing was taken from your wallet."))
    if (plan.price_paise, plan.duration_days) != (quote.price_paise, quote.duration_days):
        raise PriceChanged(_("The price of this plan has changed. Nothing was taken."))
    return plan


def _pay(order: Order, plan: Plan) -> None:
    post_entry(
        user_id=order.user_id,
        amount_paise=-order.price_paise,
        reference_type="order",
        reference_id=str(order.pk),
        key=f"order:{order.pk}",
        description=f"{plan.platform.name} {plan.name}",
    )


def _place_of_supply(user: Any, state_code: str) -> str:
    """Return the State that the order's tax belongs to; "" while the shop has no GSTIN.

    It is the customer's State on record, and without one the seller's own (section 12(2)(b) of
    the IGST Act, 2017). A State that was asked for is kept as the user's own.
    """
    if not settings.SELLER_GSTIN:
        return ""
    if state_code:
        if state_code not in STATES:
            raise OrderRefused(_("Choose your State from the list."))
        User.objects.filter(pk=user.pk, state_code="").update(state_code=state_code)
        return state_code
    kept = User.objects.filter(pk=user.pk).values_list("state_code", flat=True).get()
    return kept or settings.SELLER_STATE_CODE


def _buy(
    user: Any,
    quote: Quote,
    customer_email: str,
    state_code: str,
    order_id: ObjectId,
    subscription_id: ObjectId,
) -> Order:
    plan = _plan_at(quote)
    if plan.delivery == Delivery.CUSTOMER_EMAIL and not customer_email:
        raise OrderRefused(_("Enter the email address of your own account."))
    now = clock.now()
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
        state_code=_place_of_supply(user, state_code),
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
    seat = None
    if plan.delivery == Delivery.INSTANT and not _somebody_waits(plan.pk):
        seat = claim_seat(plan_id=plan.pk)
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
    take_stock(plan=plan, order_id=order_id)
    _pay(order, plan)
    return order


def _somebody_waits(plan_id: ObjectId) -> bool:
    """Whether an earlier buyer has no seat yet: a new one must not overtake whoever waits."""
    waiting = Order.objects.waiting().filter(plan_id=plan_id, delivery=Delivery.INSTANT)
    return bool(waiting.exists())


def _add_renewal(
    user: Any,
    quote: Quote,
    state_code: str,
    order_id: ObjectId,
    automatic_for: datetime | None,
) -> Order:
    plan = _plan_at(quote)
    subscription = (
        Subscription.objects.for_user(user).filter(pk=ObjectId(quote.renews), plan=plan).first()
    )
    if subscription is None or not subscription.can_renew:
        raise RenewalRefused(_("This plan has ended, so it cannot be renewed. Buy it again."))
    wanted = subscription.auto_renew and subscription.ends_at == automatic_for
    if automatic_for is not None and not wanted:
        raise RenewalRefused(_("Your plan was changed at the same moment. Please look again."))
    now = clock.now()
    order = Order(
        pk=order_id,
        kind=Order.Kind.RENEWAL,
        user=user,
        plan=plan,
        subscription=subscription,
        platform_name=plan.platform.name,
        plan_name=plan.name,
        hue=plan.platform.hue,
        mark=plan.platform.mark,
        # As it was bought: the plan may be delivered in another way by now.
        delivery=subscription.delivery,
        customer_email=subscription.customer_email,
        price_paise=plan.price_paise,
        duration_days=plan.duration_days,
        state_code=_place_of_supply(user, state_code),
        key=quote.key,
        created_at=now,
    )
    ends_at = append_period(order, subscription, now=now)
    order.save(force_insert=True)
    # Compare-and-set on the end that was read: an expiry or another renewal in between wins.
    added = Subscription.objects.filter(
        pk=subscription.pk,
        state=Subscription.State.ACTIVE,
        ends_at=subscription.ends_at,
        delivered_at=subscription.delivered_at,
    ).update(ends_at=ends_at, paid_days=F("paid_days") + plan.duration_days)
    if added != 1:
        raise RenewalRefused(_("Your plan was changed at the same moment. Please look again."))
    subscription.ends_at = ends_at
    subscription.paid_days += plan.duration_days
    order_paid.send(sender=Order, order=order, subscription=subscription)
    _pay(order, plan)
    return order


def deliver(*, order: Order, actor: Any = None, credential: Credential | None = None) -> Order:
    """Deliver a paid order: assign a seat, or note that the invitation was sent.

    Args:
        credential: the account to take the seat of; None takes the pool's oldest free one. Not
            used for customer_email plans.
        actor: the operator, or None for the system.

    The days start now: `ends_at` becomes the delivery plus all paid days, those of renewals made
    while it waited included.

    Raises:
        PoolEmpty: no account of the plan has a free seat.
        DeliveryRefused: it is delivered or refunded already.
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
                raise PoolEmpty(_("No account with a free seat is in the pool."))
        _mark_delivered(fresh, subscription, seat)
        if actor is not None:
            record_event(actor=actor, action="order.deliver", target=fresh)
        return fresh

    return in_transaction(work)


def _mark_delivered(order: Order, subscription: Subscription, seat: Credential | None) -> None:
    now = clock.now()
    ends_at = lay_out_periods(subscription, now=now)
    set_once = Subscription.objects.filter(
        pk=subscription.pk, delivered_at__isnull=True, state=Subscription.State.ACTIVE
    ).update(
        delivered_at=now,
        ends_at=ends_at,
        credential=seat,
        holds_seat=seat is not None,
        invited_at=now if order.delivery == Delivery.CUSTOMER_EMAIL else None,
    )
    if set_once != 1:
        raise DeliveryRefused(_("This order is not waiting for delivery any more."))
    order.refresh_from_db()
    subscription.refresh_from_db()
    order_delivered.send(sender=Order, order=order, subscription=subscription)
    subscription_activated.send(sender=Subscription, subscription=subscription, order=order)


def deliver_with_new(
    *,
    order: Order,
    login: str,
    password: str,
    actor: Any,
    pin: str = "",
    profile: str = "",
) -> Order:
    """Deliver a paid order with an account that is typed in now and has one seat.

    Raises:
        DeliveryRefused: it is not waiting any more, or the customer uses an own account.
        NoSeat: an account with this login is stored already.
    """
    if order.delivery == Delivery.CUSTOMER_EMAIL:
        raise DeliveryRefused(_("This customer uses an account of their own."))

    def work() -> Order:
        plan = Plan.objects.get(pk=order.plan_id)
        account = add_credential(
            plan=plan, login=login, password=password, pin=pin, profile=profile, actor=actor
        )
        return deliver(order=order, actor=actor, credential=account)

    return in_transaction(work)


def deliver_waiting_orders(*, limit: int = 100) -> int:
    """Give free seats to those who wait, the longest first; return how many got one.

    First come running subscriptions whose account was retired, then instant orders.
    """
    delivered = seat_those_without(limit=limit)
    empty: set[ObjectId] = set()
    stuck: set[ObjectId] = set()
    while True:
        waiting = Order.objects.waiting().filter(delivery=Delivery.INSTANT)
        waiting = waiting.exclude(plan_id__in=list(empty)).exclude(pk__in=list(stuck))
        found = list(waiting.order_by("created_at")[:limit])
        before = len(empty) + len(stuck)
        for order in found:
            if order.plan_id in empty:
                continue
            if not may_continue():
                return delivered
            try:
                deliver(order=order)
                delivered += 1
            except PoolEmpty:
                empty.add(order.plan_id)
            except DeliveryRefused:
                # Delivered or refunded since the list was read, or together with an earlier order.
                stuck.add(order.pk)
            except Exception:
                # One order that cannot be delivered must not keep the others waiting.
                logger.exception("order %s could not be delivered", order.number)
                stuck.add(order.pk)
        # Plans without a free seat, and orders that fail, must not hide those behind them.
        if len(found) < limit or len(empty) + len(stuck) == before:
            return delivered

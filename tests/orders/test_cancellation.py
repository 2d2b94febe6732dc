"""Ending a subscription and giving money back for its orders: all of it, or nothing."""

from contextlib import suppress

import pytest
from django.db import IntegrityError

from orders.books import check_books
from orders.errors import RefundRefused
from orders.models import Order, Refund
from orders.quotes import quote_for, read_quote
from orders.refunds import cancel_and_refund
from orders.services import renew
from orders.signals import order_refunded
from subscriptions.errors import CancellationRefused
from subscriptions.models import Credential, Subscription
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money
from wallet.services import balance_of

pytestmark = pytest.mark.django_db


def renewed(customer, plan):
    give_money(customer, 500_00)
    subscription = buy(customer, plan).subscription
    text = quote_for(user=customer, plan=plan, renews=subscription)
    renew(user=customer, quote=read_quote(text, user=customer, plan=plan, renews=subscription))
    return Subscription.objects.get()


@pytest.fixture
def running(customer):
    """Bought and renewed once, ₹199 each, out of ₹500."""
    plan = PlanFactory()
    add_account(plan)
    return renewed(customer, plan)


def cancel(subscription, amounts, key="k"):
    return cancel_and_refund(
        subscription=subscription,
        amounts_paise=amounts,
        reason="asked for it",
        actor=AdminFactory(),
        key=key,
    )


def test_each_order_gives_back_what_was_chosen_and_the_seat_is_free(running, customer):
    first, second = Order.objects.order_by("created_at", "pk")
    for _unused in range(2):
        with suppress(CancellationRefused):
            cancel(running, {first.pk: 100_00, second.pk: 199_00})
    assert balance_of(customer.pk) == 401_00
    assert Refund.objects.count() == 2
    assert set(Order.objects.values_list("state", flat=True)) == {"refunded"}
    assert (Subscription.objects.get().state, Credential.objects.get().seats_used) == (
        "cancelled",
        0,
    )
    assert list(check_books()) == []


def test_without_a_refund_it_only_ends(running, customer):
    cancel(running, {})
    assert (balance_of(customer.pk), Refund.objects.count()) == (102_00, 0)
    assert Subscription.objects.get().state == "cancelled"
    assert list(check_books()) == []


def test_with_a_refund_of_one_order_it_ends_too(running, customer):
    first, second = Order.objects.order_by("created_at", "pk")
    cancel(running, {second.pk: 199_00, first.pk: 0})
    first.refresh_from_db()
    assert (first.state, balance_of(customer.pk)) == ("completed", 301_00)
    assert Subscription.objects.get().state == "cancelled"
    assert list(check_books()) == []


def test_one_amount_too_high_refuses_all_of_it(running, customer):
    first, second = Order.objects.order_by("created_at", "pk")
    with pytest.raises(RefundRefused):
        cancel(running, {first.pk: 199_01, second.pk: 199_00})
    other = CustomerFactory()
    give_money(other, 500_00)
    with pytest.raises(RefundRefused):
        cancel(running, {buy(other, running.plan).pk: 1})
    assert (balance_of(customer.pk), Refund.objects.count()) == (102_00, 0)
    assert Subscription.objects.get(pk=running.pk).state == "active"
    assert list(check_books()) == []


def test_what_was_never_delivered_ends_only_with_all_its_orders_refunded(customer):
    waiting = renewed(customer, PlanFactory())
    first, second = Order.objects.order_by("created_at", "pk")
    for amounts in ({}, {second.pk: 199_00}):
        with pytest.raises(CancellationRefused):
            cancel(waiting, amounts)
    assert (balance_of(customer.pk), Refund.objects.count()) == (102_00, 0)
    cancel(waiting, {first.pk: 199_00, second.pk: 199_00})
    assert balance_of(customer.pk) == 500_00
    assert Subscription.objects.get().state == "cancelled"
    assert list(check_books()) == []


def test_a_failed_write_of_a_listener_does_not_pass_for_a_cancellation(running, customer):
    first, second = Order.objects.order_by("created_at", "pk")

    def write_twice(*, order, **_unused):
        Order.objects.create(pk=order.pk)

    order_refunded.connect(write_twice)
    try:
        with pytest.raises(IntegrityError):
            cancel(running, {first.pk: 100_00, second.pk: 199_00})
    finally:
        order_refunded.disconnect(write_twice)
    assert (balance_of(customer.pk), Refund.objects.count()) == (102_00, 0)
    assert Subscription.objects.get().state == "active"

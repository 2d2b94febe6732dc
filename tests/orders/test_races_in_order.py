"""Promises 1 to 3 with the rival at the critical point: each race is lost the same way each time.

Beside each a control does what the service must not do, and the same rival makes it go wrong.
The races with threads are in test_races.py.
"""

import pytest
from django.db.models import F

from catalog.errors import SoldOut
from catalog.models import Plan, StockMovement
from orders.books import check_books
from orders.errors import RefundRefused
from orders.models import Order, Refund
from orders.refunds import refund_order
from subscriptions.models import Credential, Subscription
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money
from tests.rival import rival_before
from wallet.errors import InsufficientBalance
from wallet.models import Wallet
from wallet.services import balance_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other():
    user = CustomerFactory()
    give_money(user, 500_00)
    return user


@pytest.fixture
def buyer(customer):
    give_money(customer, 500_00)
    return customer


def _stock(plan):
    return Plan.objects.get(pk=plan.pk).stock


def test_the_last_unit_goes_to_the_quicker_one(buyer, other):
    plan = PlanFactory(stock=1)
    with rival_before("update", "products", lambda: buy(other, plan)) as rival:
        with pytest.raises(SoldOut):
            buy(buyer, plan)
    assert [order.user_id for order in rival.results] == [other.pk]
    assert (_stock(plan), balance_of(buyer.pk), balance_of(other.pk)) == (0, 500_00, 301_00)
    assert (Order.objects.count(), Subscription.objects.count()) == (1, 1)
    assert StockMovement.objects.filter(reason="sale").count() == 1
    assert list(check_books()) == []


def test_control_stock_taken_because_it_was_seen(buyer, other):
    plan = PlanFactory(stock=1)
    assert _stock(plan) == 1
    with rival_before("update", "products", lambda: buy(other, plan)):
        Plan.objects.filter(pk=plan.pk).update(stock=F("stock") - 1)
    assert _stock(plan) == -1


def test_a_wallet_pays_one_of_two_that_it_cannot_both_pay(customer):
    plan, second = PlanFactory(), PlanFactory()
    give_money(customer, 300_00)
    with rival_before("update", "wallets", lambda: buy(customer, second)) as rival:
        with pytest.raises(InsufficientBalance):
            buy(customer, plan)
    assert [order.plan_id for order in rival.results] == [second.pk]
    assert (balance_of(customer.pk), _stock(plan), _stock(second)) == (101_00, 10, 9)
    assert Order.objects.count() == 1
    assert list(check_books()) == []


def test_control_a_balance_written_because_it_was_seen(customer):
    plan = PlanFactory()
    give_money(customer, 300_00)
    seen = balance_of(customer.pk)
    with rival_before("update", "wallets", lambda: buy(customer, plan)):
        Wallet.objects.filter(pk=customer.pk).update(balance_paise=seen - 199_00)
    # 199.00 were taken twice from 300.00, and 101.00 are left.
    assert balance_of(customer.pk) == 101_00


def test_the_last_seat_goes_to_the_quicker_one_and_the_other_waits(buyer, other):
    plan = PlanFactory()
    account = add_account(plan, seats=1)
    with rival_before("update", "credentials", lambda: buy(other, plan)) as rival:
        order = buy(buyer, plan)
    assert [found.state for found in rival.results] == [Order.State.COMPLETED]
    assert (order.state, order.subscription.credential_id) == (Order.State.PAID, None)
    account.refresh_from_db()
    assert (account.seats_used, account.state) == (1, Credential.State.FULL)
    assert Subscription.objects.filter(holds_seat=True).count() == 1
    assert list(check_books()) == []


def test_control_a_seat_given_because_it_was_seen_free(buyer, other):
    plan = PlanFactory()
    account = add_account(plan, seats=1)
    waiting = buy(buyer, PlanFactory()).subscription
    assert account.seats_used == 0
    with rival_before("update", "credentials", lambda: buy(other, plan)):
        Credential.objects.filter(pk=account.pk).update(seats_used=account.seats_used + 1)
    Subscription.objects.filter(pk=waiting.pk).update(credential=account, holds_seat=True)
    assert Subscription.objects.filter(credential=account, holds_seat=True).count() == 2
    assert f"credential {account.pk}" in [finding.document for finding in check_books()]


def test_one_key_buys_once_though_the_rival_is_quicker(buyer):
    plan = PlanFactory()
    with rival_before("insert", "orders", lambda: buy(buyer, plan, key="same")) as rival:
        order = buy(buyer, plan, key="same")
    assert [found.pk for found in rival.results] == [order.pk]
    assert (Order.objects.count(), balance_of(buyer.pk), _stock(plan)) == (1, 301_00, 9)
    assert list(check_books()) == []


def test_control_two_keys_buy_twice(buyer):
    plan = PlanFactory()
    with rival_before("insert", "orders", lambda: buy(buyer, plan, key="one")):
        buy(buyer, plan, key="two")
    assert (Order.objects.count(), balance_of(buyer.pk), _stock(plan)) == (2, 102_00, 8)


def _refund(order, actor, key):
    return refund_order(
        order=order, amount_paise=order.price_paise, reason="broken", actor=actor, key=key
    )


def test_one_key_refunds_once_though_the_rival_is_quicker(buyer):
    order, actor = buy(buyer, PlanFactory()), AdminFactory()
    with rival_before("insert", "refunds", lambda: _refund(order, actor, "same")) as rival:
        refund = _refund(order, actor, "same")
    assert [found.pk for found in rival.results] == [refund.pk]
    assert (Refund.objects.count(), balance_of(buyer.pk)) == (1, 500_00)
    assert list(check_books()) == []


def test_two_operators_refund_once(buyer):
    order, actor = buy(buyer, PlanFactory()), AdminFactory()
    with rival_before("update", "subscriptions", lambda: _refund(order, actor, "one")) as rival:
        with pytest.raises(RefundRefused):
            _refund(order, actor, "two")
    assert [found.key for found in rival.results] == ["one"]
    assert (Refund.objects.count(), balance_of(buyer.pk)) == (1, 500_00)
    assert list(check_books()) == []


def test_control_a_refund_booked_because_it_was_seen_possible(buyer):
    order, actor = buy(buyer, PlanFactory()), AdminFactory()
    assert order.refundable_paise == 199_00
    with rival_before("update", "orders", lambda: _refund(order, actor, "one")):
        Order.objects.filter(pk=order.pk).update(refunded_paise=F("refunded_paise") + 199_00)
    order.refresh_from_db()
    assert (order.refunded_paise, order.price_paise) == (398_00, 199_00)
    assert [finding.document for finding in check_books()] == [f"order {order.number}"]

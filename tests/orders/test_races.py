"""Promises 1 to 3 and 5 under threads, with a control that shows the tests would see the bug."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models import F

from catalog.models import Plan
from orders.books import check_books
from orders.models import Order, Refund
from orders.refunds import refund_order
from ottsonly.errors import ShopError
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money
from wallet.services import balance_of

pytestmark = pytest.mark.django_db(transaction=True)


def _together(jobs):
    def run(job):
        try:
            return job()
        except ShopError as refusal:
            return type(refusal).__name__
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_the_last_unit_is_sold_once():
    plan = PlanFactory(stock=1)
    add_account(plan, seats=8)
    buyers = [CustomerFactory() for _unused in range(8)]
    for buyer in buyers:
        give_money(buyer, 500_00)
    results = _together([lambda b=b: buy(b, plan) for b in buyers])
    assert [type(result).__name__ for result in results].count("Order") == 1
    assert results.count("SoldOut") == 7
    assert sorted(balance_of(b.pk) for b in buyers) == [301_00] + [500_00] * 7
    plan.refresh_from_db()
    assert plan.stock == 0
    assert list(check_books()) == []


def test_one_wallet_pays_for_as_many_as_it_holds(customer):
    plan = PlanFactory(stock=50)
    give_money(customer, 450_00)
    results = _together([lambda: buy(customer, plan) for _unused in range(6)])
    assert results.count("InsufficientBalance") == 4
    assert (Order.objects.count(), balance_of(customer.pk)) == (2, 52_00)
    assert list(check_books()) == []


def test_one_key_from_eight_threads_buys_once(customer):
    plan = PlanFactory(stock=50)
    give_money(customer, 4000_00)
    results = _together([lambda: buy(customer, plan, key="same") for _unused in range(8)])
    assert len({order.pk for order in results}) == 1
    assert balance_of(customer.pk) == 3801_00


def test_the_last_seat_is_given_once():
    plan = PlanFactory(stock=50)
    account = add_account(plan, seats=2)
    buyers = [CustomerFactory() for _unused in range(5)]
    for buyer in buyers:
        give_money(buyer, 500_00)
    orders = _together([lambda b=b: buy(b, plan) for b in buyers])
    assert sorted(order.state for order in orders) == ["completed"] * 2 + ["paid"] * 3
    account.refresh_from_db()
    assert (account.seats_used, account.state) == (2, "full")
    assert list(check_books()) == []


def test_an_order_is_refunded_once_by_eight_operators(customer):
    give_money(customer, 500_00)
    order, actor = buy(customer, PlanFactory()), AdminFactory()

    def refund(key):
        return refund_order(order=order, amount_paise=199_00, reason="broken", actor=actor, key=key)

    results = _together([lambda k=k: refund(f"{k % 4}") for k in range(8)])
    refunds = [result for result in results if isinstance(result, Refund)]
    assert len({refund.pk for refund in refunds}) == 1
    assert results.count("RefundRefused") == 8 - len(refunds)
    assert (Refund.objects.count(), balance_of(customer.pk)) == (1, 500_00)
    assert list(check_books()) == []


def test_control_reading_before_writing_would_oversell():
    plan = PlanFactory(stock=1)
    seen = [Plan.objects.get(pk=plan.pk).stock for _unused in range(2)]
    sold = [
        Plan.objects.filter(pk=plan.pk).update(stock=F("stock") - 1) for stock in seen if stock >= 1
    ]
    plan.refresh_from_db()
    assert (sold, plan.stock) == ([1, 1], -1)
    assert "stock is -1, movements sum to 1" in [f.detail for f in check_books()]

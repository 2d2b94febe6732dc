"""Limits against abuse: a clear sentence, and nothing started."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from orders.models import Order
from tests.factories import PlanFactory, buy, give_money
from wallet.models import Recharge
from wallet.recharges import start_recharge
from wallet.services import balance_of

pytestmark = pytest.mark.django_db(transaction=True)


def _start(browser, key, amount="500"):
    return browser.post("/wallet/topup/", {"amount": amount, "key": key})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("TOPUPS_PER_HOUR", "You started many top-ups just now. Please try again in an hour."),
        ("TOPUPS_PER_DAY", "You started many top-ups today. Please try again tomorrow."),
    ],
)
def test_too_many_top_ups_are_refused(razorpay, customer, client_for, settings, name, sentence):
    setattr(settings, name, 2)
    browser = client_for(customer)
    assert [_start(browser, key).status_code for key in "ab"] == [302, 302]
    page = _start(browser, "c")
    assert (page.status_code, Recharge.objects.count()) == (200, 2)
    assert sentence in page.content.decode()
    # The same form again is no further top-up.
    assert _start(browser, "a").status_code == 302
    assert len(razorpay.control("state")["orders"]) == 2


def test_the_list_of_open_top_ups_stays_short(razorpay, customer, settings):
    settings.TOPUPS_OPEN_MAX = 3
    started = [
        start_recharge(user=customer, amount_paise=500_00, key=str(number)) for number in range(5)
    ]
    states = [Recharge.objects.get(pk=recharge.pk).state for recharge in started]
    assert states == ["expired", "expired", "pending", "pending", "pending"]


def test_one_given_up_is_still_credited_when_it_was_paid(razorpay, customer, settings, send_hook):
    settings.TOPUPS_OPEN_MAX = 1
    first = start_recharge(user=customer, amount_paise=500_00, key="a")
    start_recharge(user=customer, amount_paise=500_00, key="b")
    first.refresh_from_db()
    assert first.state == "expired"
    assert send_hook(first) == 204
    assert balance_of(customer.pk) == 500_00


def test_many_at_once_leave_no_longer_list(razorpay, customer, settings):
    settings.TOPUPS_OPEN_MAX = 2

    def run(number):
        try:
            start_recharge(user=customer, amount_paise=500_00, key=str(number))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(8)))
    assert Recharge.objects.filter(state="pending").count() == 2


def test_too_many_purchases_are_refused_and_take_nothing(customer, settings):
    from orders.errors import TooManyPurchases

    settings.PURCHASES_PER_HOUR = 2
    plan = PlanFactory()
    give_money(customer, 1000_00)
    orders = [buy(customer, plan, key=key) for key in "ab"]
    with pytest.raises(TooManyPurchases, match="Nothing was taken"):
        buy(customer, plan, key="c")
    # A second click on the last one is shown that order.
    assert buy(customer, plan, key="b").pk == orders[1].pk
    assert (Order.objects.count(), balance_of(customer.pk)) == (2, 602_00)
    plan.refresh_from_db()
    assert plan.stock == 8

"""Renewing: the same subscription, the same seat, today's price, once."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connection

from catalog.models import Plan, StockMovement
from notifications.models import Notification
from orders.books import check_books
from orders.errors import KeyReused, OrderRefused, RenewalRefused
from orders.models import Order
from orders.quotes import Quote, quote_for, read_quote
from orders.services import deliver, place_order, renew
from ottsonly import clock
from subscriptions.lifecycle import expire
from subscriptions.models import Credential, Subscription
from telegram_alerts.models import Alert
from tests.factories import (
    AdminFactory,
    CustomerFactory,
    PlanFactory,
    add_account,
    buy,
    give_money,
)
from wallet.errors import InsufficientBalance
from wallet.services import balance_of

pytestmark = pytest.mark.django_db


def renew_now(user, subscription, *, key=""):
    """Renew with a quote as the renewal page signs it."""
    plan = Plan.objects.get(pk=subscription.plan_id)
    text = quote_for(user=user, plan=plan, key=key, renews=subscription)
    return renew(user=user, quote=read_quote(text, user=user, plan=plan, renews=subscription))


@pytest.fixture
def running(customer):
    """A delivered subscription of 30 days, with ₹801 left in the wallet."""
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 1000_00)
    return buy(customer, plan).subscription


def _quote(page):
    return re.search(r'name="quote" value="([^"]+)"', page.content.decode())[1]


def test_a_customer_renews_from_the_page_and_keeps_the_seat(customer, client_for, running):
    client = client_for(customer)
    assert running.renew_url in client.get(running.get_absolute_url()).content.decode()
    page = client.get(running.renew_url)
    assert page.context["renewal_ends_at"] == running.ends_at + timedelta(days=30)
    answer = client.post(running.renew_url, {"quote": _quote(page)})
    order = Order.objects.get(kind="renewal")
    assert answer.headers["Location"] == f"/orders/{order.number}/?new=1"
    assert client.get(answer.headers["Location"]).status_code == 200
    fresh = Subscription.objects.get()
    assert (fresh.credential_id, fresh.holds_seat) == (running.credential_id, True)
    assert (fresh.ends_at, fresh.paid_days) == (running.ends_at + timedelta(days=30), 60)
    assert (order.state, order.period_start, order.period_end) == (
        "completed",
        running.ends_at,
        fresh.ends_at,
    )
    assert balance_of(customer.pk) == 602_00
    assert StockMovement.objects.filter(reason="sale").count() == 1
    assert Credential.objects.get().seats_used == 1
    assert Notification.objects.filter(title__contains="is renewed").count() == 1
    assert Alert.objects.filter(text__contains=f"Renewal {order.number}").count() == 1
    assert list(check_books()) == []


def test_the_same_renewal_posted_three_times_adds_one_period(customer, client_for, running):
    client = client_for(customer)
    quote = _quote(client.get(running.renew_url))
    places = {client.post(running.renew_url, {"quote": quote})["Location"] for _unused in range(3)}
    assert len(places) == 1
    assert Order.objects.filter(kind="renewal").count() == 1
    assert balance_of(customer.pk) == 602_00


def test_two_renewals_at_once_both_count_and_follow_each_other(customer, transactional_db):
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 1000_00)
    running = buy(customer, plan).subscription

    def once(number):
        try:
            return renew_now(customer, running, key=f"key-{number}")
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        orders = list(pool.map(once, range(3)))
    assert len({order.pk for order in orders}) == 3
    assert Subscription.objects.get().ends_at == running.ends_at + timedelta(days=90)
    assert balance_of(customer.pk) == 204_00
    assert list(check_books()) == []


def test_a_changed_price_is_shown_before_a_renewal_is_paid(customer, client_for, running):
    client = client_for(customer)
    quote = _quote(client.get(running.renew_url))
    Plan.objects.update(price_paise=249_00)
    page = client.post(running.renew_url, {"quote": quote})
    assert (page.context["price_changed"], page.context["old_price_paise"]) == (True, 199_00)
    assert page.context["last_price_paise"] == 199_00
    assert "Last time you paid ₹199." in page.content.decode()
    assert (Order.objects.count(), balance_of(customer.pk)) == (1, 801_00)


def test_too_little_money_leads_to_the_top_up_and_back_to_the_renewal(customer, client_for):
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 200_00)
    running = buy(customer, plan).subscription
    page = client_for(customer).get(running.renew_url)
    assert page.context["missing_paise"] == 198_00
    assert page.context["topup_url"] == (f"/wallet/?amount=198&next=%2Frenew%2F{running.pk}%2F")
    with pytest.raises(InsufficientBalance):
        renew_now(customer, running)
    fresh = Subscription.objects.get()
    assert (fresh.ends_at, Order.objects.count()) == (running.ends_at, 1)


def test_another_customer_cannot_renew_it(client_for, running):
    stranger = CustomerFactory()
    give_money(stranger, 500_00)
    assert client_for(stranger).get(running.renew_url).status_code == 404
    plan = Plan.objects.get()
    forged = Quote(str(stranger.pk), str(plan.pk), plan.price_paise, 30, "k", str(running.pk))
    with pytest.raises(RenewalRefused):
        renew(user=stranger, quote=forged)
    assert (Order.objects.count(), balance_of(stranger.pk)) == (1, 500_00)


def test_a_quote_for_a_purchase_renews_nothing_and_the_other_way_round(customer, running):
    plan = Plan.objects.get()
    purchase = quote_for(user=customer, plan=plan)
    with pytest.raises(OrderRefused):
        read_quote(purchase, user=customer, plan=plan, renews=running)
    renewal = quote_for(user=customer, plan=plan, renews=running)
    with pytest.raises(OrderRefused):
        read_quote(renewal, user=customer, plan=plan)


def test_a_key_that_renewed_does_not_buy(customer, running):
    plan = Plan.objects.get()
    renew_now(customer, running, key="one")
    with pytest.raises(KeyReused):
        buy(customer, plan, key="one")
    other = buy(customer, plan).subscription
    with pytest.raises(KeyReused):
        renew_now(customer, other, key="one")
    assert Order.objects.count() == 3


def test_past_its_end_a_period_starts_now_as_long_as_the_seat_is_kept(customer, running):
    with time_machine.travel(running.ends_at + timedelta(days=2), tick=False):
        order = renew_now(customer, running)
        assert order.period_start == clock.now()
    fresh = Subscription.objects.get()
    assert fresh.ends_at == order.period_start + timedelta(days=30)
    assert list(check_books()) == []


def test_an_expired_subscription_is_bought_anew(customer, client_for, running):
    client = client_for(customer)
    with time_machine.travel(running.ends_at + timedelta(days=1)):
        assert expire([running.pk]) == 1
        with pytest.raises(RenewalRefused):
            renew_now(customer, running)
    page = client.get(running.renew_url)
    assert Plan.objects.get().buy_url in page.content.decode()
    assert page.templates[0].name == "orders/not_renewable.html"
    assert Order.objects.count() == 1


def test_an_expiry_that_read_the_old_end_does_not_end_a_renewed_one(customer, running):
    stale = Subscription.objects.get()
    with time_machine.travel(running.ends_at + timedelta(minutes=1)):
        renew_now(customer, running)
        assert expire([stale.pk]) == 0
    fresh = Subscription.objects.get()
    assert (fresh.state, fresh.holds_seat) == ("active", True)


def test_a_plan_that_is_not_sold_any_more_says_so(customer, client_for, running):
    Plan.objects.update(is_active=False)
    page = client_for(customer).get(running.renew_url)
    assert "not sold any more" in page.content.decode()
    assert client_for(customer).post(running.renew_url, {"quote": "x"}).status_code == 200
    assert Order.objects.count() == 1


def test_a_sold_out_plan_is_renewed_all_the_same(customer, client_for):
    plan = PlanFactory(stock=1)
    add_account(plan)
    give_money(customer, 1000_00)
    running = buy(customer, plan).subscription
    client = client_for(customer)
    page = client.get(running.renew_url)
    client.post(running.renew_url, {"quote": _quote(page)})
    assert Order.objects.filter(kind="renewal").count() == 1
    assert list(check_books()) == []


def test_a_renewal_while_it_waits_is_delivered_with_it(customer):
    plan = PlanFactory()
    give_money(customer, 1000_00)
    order = buy(customer, plan)
    renewal = renew_now(customer, order.subscription)
    assert (renewal.state, renewal.period_start) == ("paid", None)
    add_account(plan)
    deliver(order=order, actor=AdminFactory())
    order.refresh_from_db()
    renewal.refresh_from_db()
    fresh = Subscription.objects.get()
    assert (order.state, renewal.state) == ("completed", "completed")
    assert order.period_end == renewal.period_start
    assert fresh.ends_at - fresh.delivered_at == timedelta(days=60)
    assert Notification.objects.filter(title__contains="is ready").count() == 1
    assert list(check_books()) == []


def test_place_order_takes_no_quote_of_a_renewal_for_a_purchase(customer, running):
    plan = Plan.objects.get()
    quote = Quote(str(customer.pk), str(plan.pk), plan.price_paise, 30, "k", str(running.pk))
    with pytest.raises(OrderRefused):
        place_order(user=customer, quote=quote)
    assert Order.objects.count() == 1

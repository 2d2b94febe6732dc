"""A form that comes again is shown what it did, whatever changed in between."""

import pytest

from catalog.errors import StockRefused
from catalog.models import Plan, StockMovement
from catalog.services import restock
from orders.books import check_books
from orders.models import Order
from orders.quotes import quote_for
from orders.services import deliver_waiting_orders
from subscriptions.models import Subscription
from tests.factories import (
    CustomerFactory,
    PlanFactory,
    SupportFactory,
    add_account,
    buy,
    give_money,
)
from wallet.errors import AdjustmentRefused
from wallet.models import WalletTransaction
from wallet.services import adjust_wallet, balance_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "change",
    [{"price_paise": 249_00}, {"is_active": False}, {"stock": 0}, {"duration_days": 90}],
)
def test_a_purchase_sent_again_after_the_plan_changed_is_no_second_one(
    customer, client_for, change
):
    plan = PlanFactory()
    give_money(customer, 900_00)
    client = client_for(customer)
    form = {"quote": quote_for(user=customer, plan=plan)}
    first = client.post(plan.buy_url, form)
    Plan.objects.filter(pk=plan.pk).update(**change)
    assert client.post(plan.buy_url, form)["Location"] == first["Location"]
    assert (Order.objects.count(), balance_of(customer.pk)) == (1, 701_00)


def test_a_purchase_that_took_the_last_money_is_shown_again(customer, client_for):
    plan = PlanFactory()
    give_money(customer, 199_00)
    client = client_for(customer)
    form = {"quote": quote_for(user=customer, plan=plan)}
    first = client.post(plan.buy_url, form)
    assert client.post(plan.buy_url, form)["Location"] == first["Location"]
    assert Order.objects.count() == 1


@pytest.mark.parametrize("change", [{"is_active": False}, {"price_paise": 1_00}])
def test_a_renewal_sent_again_after_a_change_is_no_second_one(customer, client_for, change):
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 900_00)
    running = buy(customer, plan).subscription
    client = client_for(customer)
    form = {"quote": quote_for(user=customer, plan=plan, renews=running)}
    first = client.post(running.renew_url, form)
    Plan.objects.update(**change)
    Subscription.objects.update(state="expired")
    assert client.post(running.renew_url, form)["Location"] == first["Location"]
    assert (Order.objects.count(), balance_of(customer.pk)) == (2, 502_00)


def test_a_plan_off_sale_is_not_bought_by_a_form_that_was_open(customer, client_for):
    plan = PlanFactory()
    give_money(customer, 900_00)
    form = {"quote": quote_for(user=customer, plan=plan)}
    Plan.objects.update(is_active=False)
    page = client_for(customer).post(plan.buy_url, form)
    assert "not sold any more" in page.content.decode()
    assert (Order.objects.count(), balance_of(customer.pk)) == (0, 900_00)


def test_a_debit_sent_again_is_the_same_debit(customer):
    give_money(customer, 600_00)
    values = {"user": customer, "amount_paise": -500_00, "reason": "x", "actor": None, "key": "k"}
    first = adjust_wallet(**values)
    assert adjust_wallet(**values).pk == first.pk
    assert balance_of(customer.pk) == 100_00
    with pytest.raises(AdjustmentRefused):
        adjust_wallet(**{**values, "amount_paise": -50_00})


def test_staff_have_no_wallet_to_adjust():
    with pytest.raises(AdjustmentRefused):
        adjust_wallet(user=SupportFactory(), amount_paise=1_00, reason="x", actor=None, key="k")
    assert WalletTransaction.objects.count() == 0


def test_a_restock_sent_again_with_another_number_is_refused():
    plan = PlanFactory(stock=5)
    values = {"plan": plan, "note": "", "actor": None, "key": "k"}
    restock(delta=10, **values)
    restock(delta=10, **values)
    with pytest.raises(StockRefused):
        restock(delta=20, **values)
    plan.refresh_from_db()
    assert (plan.stock, StockMovement.objects.count()) == (15, 2)


def test_a_take_away_sent_again_is_not_refused_for_want_of_stock():
    plan = PlanFactory(stock=5)
    values = {"plan": plan, "delta": -4, "note": "", "actor": None, "key": "k"}
    restock(**values)
    restock(**values)
    plan.refresh_from_db()
    assert plan.stock == 1


def test_a_new_buyer_does_not_overtake_who_waits(customer):
    plan = PlanFactory()
    give_money(customer, 500_00)
    waiting = buy(customer, plan)
    add_account(plan)
    other = CustomerFactory()
    give_money(other, 500_00)
    late = buy(other, plan)
    assert deliver_waiting_orders() == 1
    waiting.refresh_from_db()
    late.refresh_from_db()
    assert (waiting.state, late.state) == ("completed", "paid")
    assert list(check_books()) == []


def test_a_renewal_is_delivered_as_it_was_bought(customer):
    plan = PlanFactory(delivery="customer_email")
    give_money(customer, 900_00)
    running = buy(customer, plan, customer_email="own@example.com").subscription
    Plan.objects.update(delivery="instant")
    add_account(Plan.objects.get())
    from tests.orders.test_renewal import renew_now

    assert renew_now(customer, running).delivery == "customer_email"
    assert deliver_waiting_orders() == 0
    assert Subscription.objects.get().delivered_at is None

"""Buying from the wallet, through the real pages."""

import re

import pytest

from catalog.models import Plan
from orders.books import check_books
from orders.errors import KeyReused, PriceChanged
from orders.models import Order
from orders.quotes import quote_for, read_quote
from orders.refunds import refund_order
from orders.services import place_order
from subscriptions.models import Credential, Reveal, Subscription
from tests.factories import (
    PIN,
    AdminFactory,
    CustomerFactory,
    PlanFactory,
    SupportFactory,
    add_account,
    buy,
    give_money,
)
from wallet.models import WalletTransaction
from wallet.services import balance_of

pytestmark = pytest.mark.django_db


def _quote(page) -> str:
    return re.search(r'name="quote" value="([^"]+)"', page.content.decode())[1]


def test_a_customer_buys_and_sees_the_login_details(customer, client_for):
    plan = PlanFactory()
    add_account(plan, login="seat@example.com")
    give_money(customer, 500_00)
    client = client_for(customer)
    page = client.get(plan.buy_url)
    assert page.context["balance_after_paise"] == 301_00
    assert page.context["owned"] is None
    answer = client.post(plan.buy_url, {"quote": _quote(page)})
    order = Order.objects.get()
    assert answer.headers["Location"] == f"/orders/{order.number}/?new=1"
    assert (order.state, order.price_paise, balance_of(customer.pk)) == (
        "completed",
        199_00,
        301_00,
    )
    assert client.get(answer.headers["Location"]).status_code == 200
    # The back button shows the bill anew: it says that this is a second time.
    again = client.get(plan.buy_url)
    assert again.context["owned"].pk == order.subscription_id
    assert f'<a href="{order.subscription.renew_url}">renew it</a>' in again.content.decode()
    assert client.get(PlanFactory().buy_url).context["owned"] is None
    url = f"/subscriptions/{order.subscription_id}/credentials/"
    assert client.get(url).status_code == 405
    shown = client.post(url)
    assert "seat@example.com" in shown.content.decode()
    assert "no-store" in shown.headers["Cache-Control"]
    assert Reveal.objects.filter(user_id=customer.pk).count() == 1
    assert list(check_books()) == []


def test_the_same_form_posted_ten_times_buys_once(customer, client_for):
    plan = PlanFactory()
    give_money(customer, 900_00)
    client = client_for(customer)
    quote = _quote(client.get(plan.buy_url))
    answers = {
        client.post(plan.buy_url, {"quote": quote}).headers["Location"] for _unused in range(10)
    }
    assert len(answers) == 1
    assert Order.objects.count() == 1
    assert balance_of(customer.pk) == 701_00


def test_a_key_that_bought_one_plan_buys_no_other(customer):
    first, second = PlanFactory(), PlanFactory()
    give_money(customer, 900_00)
    buy(customer, first, key="one")
    with pytest.raises(KeyReused):
        buy(customer, second, key="one")
    assert Order.objects.count() == 1


def test_too_little_money_leads_to_the_top_up_and_back(customer, client_for):
    plan = PlanFactory()
    give_money(customer, 150_00)
    client = client_for(customer)
    page = client.get(plan.buy_url)
    assert page.context["missing_paise"] == 49_00
    # The smallest top-up is more than what is missing.
    assert page.context["topup_url"].startswith("/wallet/?amount=100&next=%2Fbuy%2F")
    assert "Top up ₹100 and come back" in page.content.decode()
    answer = client.post(plan.buy_url, {"quote": page.context["form"].initial["quote"]})
    assert answer.status_code == 200
    assert (Order.objects.count(), balance_of(customer.pk)) == (0, 150_00)
    plan.refresh_from_db()
    assert plan.stock == 10


def test_a_changed_price_is_shown_before_it_is_paid(customer, client_for):
    plan = PlanFactory()
    give_money(customer, 900_00)
    client = client_for(customer)
    quote = _quote(client.get(plan.buy_url))
    Plan.objects.filter(pk=plan.pk).update(price_paise=249_00)
    page = client.post(plan.buy_url, {"quote": quote})
    assert (page.context["price_changed"], page.context["old_price_paise"]) == (True, 199_00)
    assert (Order.objects.count(), balance_of(customer.pk)) == (0, 900_00)


@pytest.mark.parametrize("forged", ["", "nonsense", "eyJhIjoxfQ:1abc:def"])
def test_a_forged_quote_buys_nothing(customer, client_for, forged):
    plan = PlanFactory()
    give_money(customer, 900_00)
    assert client_for(customer).post(plan.buy_url, {"quote": forged}).status_code == 200
    assert Order.objects.count() == 0


def test_a_quote_of_somebody_else_buys_nothing(customer, client_for):
    plan = PlanFactory()
    give_money(customer, 900_00)
    quote = quote_for(user=CustomerFactory(), plan=plan)
    assert client_for(customer).post(plan.buy_url, {"quote": quote}).status_code == 200
    assert Order.objects.count() == 0


def test_a_plan_for_the_own_account_asks_for_the_address(customer, client_for):
    plan = PlanFactory(delivery="customer_email")
    give_money(customer, 900_00)
    client = client_for(customer)
    quote = _quote(client.get(plan.buy_url))
    page = client.post(plan.buy_url, {"quote": quote, "customer_email": "no address"})
    assert list(page.context["form"].errors) == ["customer_email"]
    assert Order.objects.count() == 0
    client.post(plan.buy_url, {"quote": quote, "customer_email": "asha@example.com"})
    order = Order.objects.get()
    assert (order.state, order.customer_email) == ("paid", "asha@example.com")


def test_staff_cannot_buy(client_for):
    plan = PlanFactory()
    for staff in (AdminFactory(), SupportFactory()):
        refused = client_for(staff).get(plan.buy_url)
        assert refused.status_code == 403
        assert "Staff buy nothing and have no wallet" in refused.content.decode()


def test_a_sold_out_plan_is_refused_and_nothing_is_taken(customer, client_for):
    plan = PlanFactory(stock=1)
    give_money(customer, 900_00)
    client = client_for(customer)
    quote = _quote(client.get(plan.buy_url))
    other = CustomerFactory()
    give_money(other, 900_00)
    buy(other, plan)
    page = client.post(plan.buy_url, {"quote": quote})
    assert "sold out" in page.context["error"]
    text = page.content.decode()
    assert "Left after paying" not in text
    assert f'href="{plan.get_absolute_url()}">To the plan, to be told when it is back' in text
    assert balance_of(customer.pk) == 900_00
    assert Subscription.objects.filter(user_id=customer.pk).count() == 0


def test_others_documents_are_not_found(customer, client_for):
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 500_00)
    order = buy(customer, plan)
    stranger = client_for(CustomerFactory())
    for address in (f"/orders/{order.number}/", f"/subscriptions/{order.subscription_id}/"):
        assert stranger.get(address).status_code == 404
    assert stranger.post(f"/subscriptions/{order.subscription_id}/credentials/").status_code == 404
    assert Reveal.objects.count() == 0


def test_secrets_lie_encrypted_in_the_database(customer, raw_client):
    from django.db import connection

    plan = PlanFactory()
    account = add_account(plan, login="seat@example.com")
    raw = raw_client[connection.settings_dict["NAME"]]["credentials"].find_one({"_id": account.pk})
    text = repr(raw)
    for secret in ("seat@example.com", "s3cret-Pa55", PIN):
        assert secret not in text.replace(str(account.pk), "")
    assert "s3cret" not in str(Credential.objects.get()) + repr(Credential.objects.get())


def test_an_order_that_waits_gets_the_next_seat_and_its_days_start_then(customer):
    from orders.services import deliver_waiting_orders

    plan = PlanFactory()
    give_money(customer, 500_00)
    order = buy(customer, plan)
    assert order.state == "paid"
    add_account(plan)
    assert deliver_waiting_orders() == 1
    order.refresh_from_db()
    assert order.state == "completed"
    days = order.subscription.ends_at - order.subscription.delivered_at
    assert days.days == 30
    assert list(check_books()) == []


def test_a_refund_gives_money_and_stock_back_once(customer):
    plan = PlanFactory()
    give_money(customer, 500_00)
    order = buy(customer, plan)
    admin = AdminFactory()
    values = {"amount_paise": 199_00, "reason": "asked", "actor": admin, "key": "r1"}
    refund_order(order=order, **values)
    refund_order(order=order, **values)
    plan.refresh_from_db()
    order.refresh_from_db()
    assert (balance_of(customer.pk), plan.stock, order.state) == (500_00, 10, "refunded")
    assert WalletTransaction.objects.filter(reference_type="refund").count() == 1
    assert list(check_books()) == []


def test_a_price_change_between_quote_and_purchase_is_refused(customer):
    plan = PlanFactory()
    give_money(customer, 500_00)
    quote = read_quote(quote_for(user=customer, plan=plan), user=customer, plan=plan)
    Plan.objects.filter(pk=plan.pk).update(price_paise=1_00)
    with pytest.raises(PriceChanged):
        place_order(user=customer, quote=quote)
    assert balance_of(customer.pk) == 500_00

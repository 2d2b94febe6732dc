"""The customer's State: asked at the first purchase while the shop has a GSTIN, then kept."""

import re

import pytest

from orders.errors import OrderRefused
from orders.models import Order
from orders.quotes import quote_for, read_quote
from orders.services import place_order, renew
from tests.factories import PlanFactory, add_account, buy, give_money
from wallet.services import balance_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def registered(settings):
    settings.SELLER_GSTIN, settings.SELLER_STATE_CODE = "29AAGCB7383J1Z4", "29"


def _quote(page) -> str:
    return re.search(r'name="quote" value="([^"]+)"', page.content.decode())[1]


def test_without_a_gstin_no_state_is_asked_or_kept(customer, client_for):
    plan = PlanFactory()
    give_money(customer, 500_00)
    client = client_for(customer)
    page = client.get(plan.buy_url)
    assert "state_code" not in page.content.decode()
    assert "state_code" not in client.get("/profile/").content.decode()
    client.post(plan.buy_url, {"quote": _quote(page), "state_code": "27"})
    customer.refresh_from_db()
    assert (Order.objects.get().state_code, customer.state_code) == ("", "")


def test_the_state_is_asked_once_and_kept_on_user_and_order(registered, customer, client_for):
    plan = PlanFactory()
    give_money(customer, 500_00)
    client = client_for(customer)
    quote = _quote(client.get(plan.buy_url))
    for wrong in ({}, {"state_code": ""}, {"state_code": "99"}):
        page = client.post(plan.buy_url, {"quote": quote, **wrong})
        assert page.context["form"].errors["state_code"]
        assert (Order.objects.count(), balance_of(customer.pk)) == (0, 500_00)
    client.post(plan.buy_url, {"quote": quote, "state_code": "27"})
    customer.refresh_from_db()
    assert (Order.objects.get().state_code, customer.state_code) == ("27", "27")
    page = client.get(plan.buy_url)
    assert "state_code" not in page.content.decode()
    client.post(plan.buy_url, {"quote": _quote(page)})
    assert list(Order.objects.values_list("state_code", flat=True)) == ["27", "27"]
    client.post("/profile/", {"name": "Asha", "email": "", "state_code": "33"})
    customer.refresh_from_db()
    assert (customer.name, customer.state_code) == ("Asha", "33")


def test_a_renewal_takes_the_users_state_and_without_one_the_sellers(registered, customer):
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 900_00)
    first = buy(customer, plan)
    assert first.state_code == "29"
    terms = {"user": customer, "plan": plan, "renews": first.subscription}
    assert renew(user=customer, quote=read_quote(quote_for(**terms), **terms)).state_code == "29"
    asked = renew(user=customer, quote=read_quote(quote_for(**terms), **terms), state_code="07")
    again = renew(user=customer, quote=read_quote(quote_for(**terms), **terms))
    assert (asked.state_code, again.state_code) == ("07", "07")


def test_a_state_that_does_not_exist_buys_nothing(registered, customer):
    plan = PlanFactory()
    give_money(customer, 500_00)
    terms = {"user": customer, "plan": plan}
    with pytest.raises(OrderRefused):
        place_order(user=customer, quote=read_quote(quote_for(**terms), **terms), state_code="99")
    customer.refresh_from_db()
    assert (Order.objects.count(), balance_of(customer.pk), customer.state_code) == (0, 500_00, "")

"""How many database commands the pages send, exactly, however much there is to show."""

import pytest
from django.test import Client

from catalog import window
from catalog.models import Plan
from orders.quotes import quote_for
from tests.factories import CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db


def count(commands, operation) -> int:
    commands.clear()
    operation()
    return len(commands)


@pytest.fixture
def buyer(client_for):
    user = CustomerFactory()
    give_money(user, 5_000_00)
    return user, client_for(user)


@pytest.mark.parametrize("address", ["/", "/plans/", "/plans/?q=premium", "{plan}"])
def test_the_shop_window_is_one_command_for_a_stranger_and_five_for_a_customer(
    address, buyer, commands
):
    plan = PlanFactory()
    path = address.format(plan=plan.get_absolute_url())
    found = []
    for _unused in range(2):
        found.append(
            (
                count(commands, lambda: Client().get(path)),
                count(commands, lambda: buyer[1].get(path)),
            )
        )
        for _more in range(20):
            PlanFactory(stock=0)
    # Session, user, plans, balance, unread notices.
    assert found == [(1, 5), (1, 5)]


@pytest.mark.parametrize("seat", [False, True])
def test_a_purchase_is_fifteen_commands_and_nineteen_with_a_seat(seat, buyer, commands):
    user, client = buyer
    plan = PlanFactory(delivery="instant" if seat else "manual")
    if seat:
        add_account(plan, seats=5)
    buy(user, plan)
    quote = quote_for(user=user, plan=plan)
    address = plan.buy_url
    sent = count(commands, lambda: client.post(address, {"quote": quote}))
    assert sent == (19 if seat else 15), "\n".join(commands)


@pytest.mark.parametrize(
    "address", ["/orders/", "/subscriptions/", "/notifications/", "/wallet/", "/wallet/statement/"]
)
def test_a_list_is_at_most_six_commands_however_long(address, buyer, commands):
    user, client = buyer
    plan = PlanFactory(stock=30)
    add_account(plan, seats=30)
    for _unused in range(2):
        buy(user, plan)
    few = count(commands, lambda: client.get(address))
    for _unused in range(10):
        buy(user, plan)
    many = count(commands, lambda: client.get(address))
    assert few == many <= 6, "\n".join(commands)


def test_a_kept_shelf_never_shows_an_old_price_or_stock(commands):
    plan = PlanFactory(price_paise=199_00, list_price_paise=299_00, stock=3, low_stock_threshold=5)
    for path in ("/", "/plans/"):
        Plan.objects.filter(pk=plan.pk).update(price_paise=199_00, stock=3)
        assert "Only 3 left" in Client().get(path).content.decode()
        # Past the services, as an operator's other process would: no signal, no word to this one.
        Plan.objects.filter(pk=plan.pk).update(price_paise=189_00, stock=2)
        text = Client().get(path).content.decode()
        assert "₹189" in text and "₹199" not in text
        assert "Only 2 left" in text and "Only 3 left" not in text


def test_the_key_of_a_kept_shelf_changes_with_every_field(db):
    plan = PlanFactory()
    before = window.fingerprint(window.plans_on_sale())
    assert window.fingerprint(window.plans_on_sale()) == before
    for model, values in (
        (Plan.objects.filter(pk=plan.pk), {"description": "New"}),
        (type(plan.platform).objects.filter(pk=plan.platform_id), {"tagline": "New"}),
    ):
        model.update(**values)
        after = window.fingerprint(window.plans_on_sale())
        assert after != before
        before = after

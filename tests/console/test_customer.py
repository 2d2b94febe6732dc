"""One search box, and one page with everything about a customer."""

import pytest
from django.urls import reverse

from accounts.models import User
from notifications.models import Notification
from orders.models import Order, Refund
from ottsonly.money import format_rupees
from subscriptions.models import Credential, Subscription
from tests.console.world import fill
from tests.factories import CustomerFactory, PlanFactory, add_account, buy, give_money
from wallet.models import Recharge, WalletTransaction
from wallet.services import balance_of

pytestmark = pytest.mark.django_db
FIND = reverse("console:find")


@pytest.fixture
def world(customer, admin_user):
    return fill(customer, admin_user)


@pytest.mark.parametrize(
    "text", ["{phone}", "{local}", "0{local}", " {phone} ", "asha@example.com", "Asha@Example.com"]
)
def test_a_phone_in_any_notation_or_an_email_leads_to_the_person(console, customer, text):
    User.objects.filter(pk=customer.pk).update(email="asha@example.com")
    local = f"{customer.phone[3:8]} {customer.phone[8:]}"
    answer = console.get(FIND, {"q": text.format(phone=customer.phone, local=local)})
    assert answer.status_code == 302
    assert answer.headers["Location"] == reverse("admin:accounts_user_change", args=[customer.pk])


def test_an_order_or_a_payment_leads_to_its_page(console, world):
    order, recharge = world["order"], world["recharge"]
    order_page = reverse("admin:orders_order_change", args=[order.pk])
    topup_page = reverse("admin:wallet_recharge_change", args=[recharge.pk])
    for text, page in (
        (order.number, order_page),
        (order.number.lower().replace("-", " "), order_page),
        ("order_A", topup_page),
        ("pay_A", topup_page),
    ):
        assert console.get(FIND, {"q": text}).headers["Location"] == page


def test_several_people_with_one_email_are_offered_and_nothing_found_is_said(console, db):
    for _unused in range(2):
        CustomerFactory(email="shared@example.com")
    page = console.get(FIND, {"q": "shared@example.com"})
    assert len(page.context["people"]) == 2
    for text in ("98765", "pay_none", "AAAA-AAAA", "nobody@example.com", "x" * 500, ""):
        assert console.get(FIND, {"q": text}).status_code == 200
    assert "Nothing is known as" in console.get(FIND, {"q": "98765"}).content.decode()


def test_the_page_tells_balance_orders_statement_and_looks(console, customer, world):
    page = console.get(reverse("admin:accounts_user_change", args=[customer.pk]))
    text = page.content.decode()
    assert page.context["person_balance"] == format_rupees(balance_of(customer.pk))
    counts = {table.title: len(table.rows) for table in page.context["person_tables"]}
    assert counts == {
        "Subscriptions": Subscription.objects.count(),
        "Orders": Order.objects.count(),
        "Statement": WalletTransaction.objects.count(),
        "Top-ups": Recharge.objects.count(),
        "Notices": min(Notification.objects.count(), 10),
        "Looks at login details": 1,
    }
    assert world["order"].number in text
    buttons = [button.text for button in page.context["document_buttons"]]
    assert buttons == ["Credit or debit", "Disable", "Log out everywhere", "Change role"]


def test_support_sees_the_page_without_a_button(support, customer, world):
    page = support.get(reverse("admin:accounts_user_change", args=[customer.pk]))
    assert page.status_code == 200
    assert page.context["document_buttons"] == []


def test_the_page_costs_the_same_commands_for_little_and_for_much(
    console, customer, world, commands
):
    newcomer = CustomerFactory()
    counts = []
    for user in (newcomer, customer, customer):
        address = reverse("admin:accounts_user_change", args=[user.pk])
        console.get(address)
        commands.clear()
        assert console.get(address).status_code == 200
        counts.append(len(commands))
    # With something to show: the actors of the trace, and the subscriptions that were looked at.
    assert counts[1] == counts[2]
    assert counts[1] <= 20
    assert counts[0] <= counts[1]


def test_a_refund_proposes_the_unused_part_and_is_done_once(console, customer, command):
    plan = PlanFactory(stock=2)
    add_account(plan)
    give_money(customer, 500_00)
    order = buy(customer, plan)
    url = reverse("admin:orders_order_refund", args=[order.pk])
    page = console.get(url)
    assert page.context["form"]["amount"].value() in ("198.99", "199")
    data = {
        "command_key": page.context["key"],
        "amount": "199",
        "reason": "Not as told",
        "take_back": "on",
    }
    shown = console.post(url, data).content.decode()
    assert "₹199 goes back into the wallet of" in shown
    assert Refund.objects.count() == 0
    for _unused in range(2):
        assert console.post(url, {**data, "confirmed": "1"}).status_code == 302
    assert balance_of(customer.pk) == 500_00
    assert Order.objects.get(pk=order.pk).state == "refunded"
    assert Subscription.objects.get(pk=order.subscription_id).state == "cancelled"
    assert Credential.objects.get().seats_used == 0
    again = command(console, url, amount="1", reason="x")
    assert again.context["form"].errors == {"amount": ["This order is refunded already."]}


def test_more_than_was_paid_is_refused_and_a_part_leaves_the_subscription(
    console, customer, command
):
    plan = PlanFactory(stock=2)
    add_account(plan)
    give_money(customer, 500_00)
    order = buy(customer, plan)
    url = reverse("admin:orders_order_refund", args=[order.pk])
    for confirm in (False, True):
        refused = command(console, url, confirm=confirm, amount="199.01", reason="x")
        assert refused.status_code == 409
        assert list(refused.context["form"].errors) == ["amount"]
        assert "goes back into the wallet" not in refused.content.decode()
    assert command(console, url, amount="50", reason="Late").status_code == 302
    order.refresh_from_db()
    assert (order.state, order.refunded_paise) == ("completed", 50_00)
    assert Subscription.objects.get(pk=order.subscription_id).state == "active"


def test_an_order_keeps_what_was_bought_when_the_plan_changes(console, world):
    plan, order = world["plan"], world["order"]
    plan.name, plan.price_paise = "Renamed", 999_00
    plan.save(update_fields=["name", "price_paise"])
    text = console.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "₹199" in text
    assert "Renamed" not in text

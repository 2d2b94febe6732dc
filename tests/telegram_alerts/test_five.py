"""What the operators are told of, from the shop's services to the chat, over HTTP."""

from io import StringIO

import pytest
from django.core.management import call_command

from orders.refunds import refund_order
from telegram_alerts.models import Alert
from tests.factories import AdminFactory, PlanFactory, PlatformFactory, add_account, buy
from wallet.gateway import Payment
from wallet.models import Recharge
from wallet.recharges import complete_recharge

pytestmark = pytest.mark.django_db
FIVE = ["activated", "new_order", "payment", "recharge", "refund"]


@pytest.fixture
def a_day(customer):
    """A top-up, a purchase delivered at once, and its refund."""
    recharge = Recharge.objects.create(
        user=customer, amount_paise=500_00, key="form", razorpay_order_id="order_1"
    )
    payment = Payment(
        id="pay_1", order_id="order_1", amount_paise=500_00, currency="INR", status="captured"
    )
    complete_recharge(recharge=recharge, payment=payment, source=Recharge.Source.WEBHOOK)
    plan = PlanFactory(platform=PlatformFactory(name="Kite"))
    add_account(plan)
    order = buy(customer, plan)
    refund_order(order=order, amount_paise=199_00, reason="late", actor=AdminFactory(), key="k")
    return order


def test_each_of_the_five_reaches_the_chat_once(telegram, a_day):
    out = StringIO()
    call_command("deliver_alerts", stdout=out)
    assert out.getvalue() == "5 sent\n"
    assert sorted(Alert.objects.values_list("kind", "state")) == [(kind, "sent") for kind in FIVE]
    titles = sorted(text.split("</b>")[0].removeprefix("<b>") for text in telegram.delivered)
    assert titles == [
        f"New order {a_day.number}",
        "Payment captured",
        f"Refund of order {a_day.number}",
        "Subscription activated",
        "Wallet recharged",
    ]
    call_command("deliver_alerts", stdout=out)
    assert len(telegram.delivered) == 5


def test_without_a_token_all_five_are_kept_until_there_is_one(telegram, a_day, settings):
    token, settings.TELEGRAM_BOT_TOKEN = settings.TELEGRAM_BOT_TOKEN, ""
    out = StringIO()
    call_command("deliver_alerts", stdout=out)
    assert "alerts are kept" in out.getvalue()
    kept = sorted(Alert.objects.values_list("kind", "state", "attempts"))
    assert (kept, telegram.requests) == ([(kind, "pending", 0) for kind in FIVE], 0)
    settings.TELEGRAM_BOT_TOKEN = token
    call_command("deliver_alerts", stdout=out)
    assert len(telegram.delivered) == 5

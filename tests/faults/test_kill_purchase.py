"""Promise 4: killed at any command of a purchase, it happened wholly or not at all."""

import pytest

from notifications.models import Notification
from orders.books import check_books
from orders.models import Order
from orders.quotes import quote_for
from subscriptions.models import Subscription
from telegram_alerts.models import Alert
from tests.factories import CustomerFactory, PlanFactory, add_account, give_money
from tests.faults.victims import Victims
from wallet.models import WalletTransaction
from wallet.services import balance_of

pytestmark = pytest.mark.crash


@pytest.fixture
def buyers(transactional_db):
    with Victims() as victims:
        yield victims


def _buy(buyers, user, plan, **kill):
    return buyers.post(plan.buy_url, {"quote": quote_for(user=user, plan=plan)}, user=user, **kill)


def _seen(user) -> tuple[int, int, int, int, int, int]:
    return (
        Order.objects.filter(user_id=user.pk).count(),
        Subscription.objects.filter(user_id=user.pk).count(),
        WalletTransaction.objects.filter(key__startswith="order:", user_id=user.pk).count(),
        Notification.objects.filter(user_id=user.pk, kind="order").count(),
        Alert.objects.filter(kind="new_order").count(),
        balance_of(user.pk),
    )


def test_a_purchase_killed_at_any_command_is_whole_or_absent(buyers):
    plan = PlanFactory(stock=100)
    add_account(plan, seats=100)
    buyer = CustomerFactory()
    give_money(buyer, 500_00)
    output, commands = _buy(buyers, buyer, plan)
    assert output == "302"
    assert 10 < commands < 40
    whole = 0
    for kill in buyers.kills():
        user = CustomerFactory()
        give_money(user, 500_00)
        output, _count = _buy(buyers, user, plan, **kill)
        assert output == ""
        found = _seen(user)
        whole += found[0]
        if found[0]:
            assert found == (1, 1, 1, found[3], 1 + whole, 301_00)
        else:
            assert found == (0, 0, 0, 0, 1 + whole, 500_00)
    # Only the kills after the commit's reply (or later) leave an order.
    assert 1 <= whole <= 4
    # What all the kills left behind lies there together.
    assert list(check_books()) == []

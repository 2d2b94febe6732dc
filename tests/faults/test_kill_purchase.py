"""Promise 4: killed at any command of a purchase, it happened wholly or not at all."""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from notifications.models import Notification
from orders.books import check_books
from orders.models import Order
from orders.quotes import quote_for
from subscriptions.models import Subscription
from telegram_alerts.models import Alert
from tests.factories import CustomerFactory, PlanFactory, add_account, give_money
from tests.faults.mongo_proxy import KillingProxy
from wallet.models import WalletTransaction
from wallet.services import balance_of

pytestmark = [pytest.mark.crash, pytest.mark.django_db]


def _run(user, plan, *, kill_at: int, after_reply: bool) -> tuple[str, int]:
    from django.db import connection

    address = urlsplit(os.environ["MONGODB_URI"])
    proxy = KillingProxy((address.hostname, address.port), after_reply=after_reply)
    environment = {
        **os.environ,
        "MONGODB_URI": f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true&retryWrites=false",
        "MONGODB_NAME": connection.settings_dict["NAME"],
    }
    quote = quote_for(user=user, plan=plan)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.buy_once", str(user.pk), plan.buy_url, quote],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        proxy.pid, proxy.count, proxy.kill_at = process.pid, 0, kill_at
        output, _errors = process.communicate("go\n", timeout=60)
        return output.strip(), proxy.count
    finally:
        process.kill()
        proxy.close()


def _seen(user) -> tuple[int, int, int, int, int, int]:
    return (
        Order.objects.filter(user_id=user.pk).count(),
        Subscription.objects.filter(user_id=user.pk).count(),
        WalletTransaction.objects.filter(key__startswith="order:", user_id=user.pk).count(),
        Notification.objects.filter(user_id=user.pk, kind="order").count(),
        Alert.objects.filter(kind="new_order").count(),
        balance_of(user.pk),
    )


def test_a_purchase_killed_at_any_command_is_whole_or_absent(transactional_db):
    plan = PlanFactory(stock=100)
    add_account(plan, seats=100)
    buyer = CustomerFactory()
    give_money(buyer, 500_00)
    output, commands = _run(buyer, plan, kill_at=0, after_reply=False)
    assert output == "302"
    assert 10 < commands < 40
    whole = 0
    orders = 1
    for kill_at in range(1, commands + 1):
        for after_reply in (False, True):
            user = CustomerFactory()
            give_money(user, 500_00)
            output, _count = _run(user, plan, kill_at=kill_at, after_reply=after_reply)
            assert output == ""
            found = _seen(user)
            if found[0]:
                whole += 1
                orders += 1
                assert found == (1, 1, 1, found[3], orders, 301_00)
            else:
                assert found == (0, 0, 0, 0, orders, 500_00)
            assert list(check_books()) == []
    # Only the kills after the commit's reply (or later) leave an order.
    assert 1 <= whole <= 8

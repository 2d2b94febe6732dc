"""Promise 4: killed at any command of a purchase, it happened wholly or not at all."""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from django.db import connection

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

pytestmark = pytest.mark.crash


class Buyers:
    """Buys in processes of their own, behind a proxy that can kill them."""

    def __init__(self, proxy: KillingProxy, process: subprocess.Popen[str]) -> None:
        self.proxy, self.process = proxy, process

    def buy(self, user, plan, *, kill_at: int = 0, after_reply: bool = False) -> tuple[str, int]:
        """Return what the buyer said of the answer ("" if killed) and how many commands it sent."""
        quote = quote_for(user=user, plan=plan)
        self._tell(f"{user.pk} {plan.buy_url} {quote}")
        self.proxy.aim(pid=int(self._hear()), kill_at=kill_at, after_reply=after_reply)
        self._tell("go")
        said = self._hear()
        if said != "ended":
            assert self._hear() == "ended"
        return ("" if said == "ended" else said), self.proxy.count

    def _tell(self, line: str) -> None:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def _hear(self) -> str:
        return self.process.stdout.readline().strip()


@pytest.fixture
def buyers(transactional_db):
    address = urlsplit(os.environ["MONGODB_URI"])
    proxy = KillingProxy((address.hostname, address.port))
    environment = {
        **os.environ,
        "MONGODB_URI": f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true&retryWrites=false",
        "MONGODB_NAME": connection.settings_dict["NAME"],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.buy_once"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Buyers(proxy, process)
    process.kill()
    process.wait()
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


def test_a_purchase_killed_at_any_command_is_whole_or_absent(buyers):
    plan = PlanFactory(stock=100)
    add_account(plan, seats=100)
    buyer = CustomerFactory()
    give_money(buyer, 500_00)
    output, commands = buyers.buy(buyer, plan)
    assert output == "302"
    assert 10 < commands < 40
    whole = 0
    for kill_at in range(1, commands + 1):
        for after_reply in (False, True):
            user = CustomerFactory()
            give_money(user, 500_00)
            output, _count = buyers.buy(user, plan, kill_at=kill_at, after_reply=after_reply)
            assert output == ""
            found = _seen(user)
            whole += found[0]
            if found[0]:
                assert found == (1, 1, 1, found[3], 1 + whole, 301_00)
            else:
                assert found == (0, 0, 0, 0, 1 + whole, 500_00)
    # Only the kills after the commit's reply (or later) leave an order.
    assert 1 <= whole <= 8
    # What all the kills left behind lies there together.
    assert list(check_books()) == []

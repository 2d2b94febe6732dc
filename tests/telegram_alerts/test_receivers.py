"""What is written into the outbox, by whom, and that a page never talks to Telegram."""

import re
import socket

import pytest
from django.db import IntegrityError

from orders.models import Order
from orders.refunds import refund_order
from orders.services import deliver
from telegram_alerts.models import Alert
from tests.factories import AdminFactory, PlanFactory, PlatformFactory, add_account, buy, give_money
from wallet.errors import InsufficientBalance
from wallet.gateway import Payment
from wallet.models import Recharge
from wallet.recharges import complete_recharge

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer(customer):
    """A customer with ₹500 and a known phone."""
    give_money(customer, 500_00)
    return customer


def kinds() -> list[str]:
    return sorted(Alert.objects.values_list("kind", flat=True))


def paid_recharge(user) -> Recharge:
    recharge = Recharge.objects.create(
        user=user, amount_paise=500_00, key="form", razorpay_order_id="order_1"
    )
    payment = Payment(
        id="pay_1", order_id="order_1", amount_paise=500_00, currency="INR", status="captured"
    )
    return complete_recharge(
        recharge=recharge, payment=payment, source=Recharge.Source.RECONCILIATION
    )


def test_a_purchase_delivered_at_once_tells_of_order_and_activation(buyer):
    plan = PlanFactory()
    add_account(plan, login="seat@example.com")
    buy(buyer, plan)
    assert kinds() == ["activated", "new_order"]
    assert set(Alert.objects.values_list("state", "attempts")) == {("pending", 0)}


def test_a_waiting_purchase_tells_of_the_order_and_later_of_the_activation(buyer):
    plan = PlanFactory()
    order = buy(buyer, plan)
    assert kinds() == ["new_order"]
    add_account(plan)
    deliver(order=order)
    assert kinds() == ["activated", "new_order"]


def test_a_refund_is_told_of_once(buyer):
    order = buy(buyer, PlanFactory())
    admin = AdminFactory()
    for _unused in range(2):
        refund_order(order=order, amount_paise=199_00, reason="<late>", actor=admin, key="k")
    assert kinds() == ["new_order", "refund"]
    text = Alert.objects.get(kind="refund").text
    assert "₹199 to the wallet" in text
    assert "&lt;late&gt;" in text


def test_a_top_up_tells_of_payment_and_recharge_once(customer):
    recharge = paid_recharge(customer)
    payment = Payment(
        id="pay_1", order_id="order_1", amount_paise=500_00, currency="INR", status="captured"
    )
    complete_recharge(recharge=recharge, payment=payment, source=Recharge.Source.WEBHOOK)
    assert kinds() == ["payment", "recharge"]
    assert "balance ₹500" in Alert.objects.get(kind="recharge").text


def test_texts_are_escaped_masked_linked_and_hold_no_secret(buyer, settings):
    settings.SITE_URL = "https://shop.example"
    plan = PlanFactory(platform=PlatformFactory(name="Tom & <b>Jerry</b>"))
    account = add_account(plan, login="seat@example.com")
    order = buy(buyer, plan)
    paid_recharge(buyer)
    texts = list(Alert.objects.values_list("text", flat=True))
    assert len(texts) == 4
    for text in texts:
        for secret in ("s3cret-Pa55", "4321", "seat@example.com", buyer.phone, buyer.phone[3:]):
            assert secret not in text
        assert re.fullmatch(r"<b>[^<>]*</b>\n[^<>]*\n<a href=\"[^\"<>]*\">[^<>]*</a>", text)
    new_order = Alert.objects.get(kind="new_order").text
    assert "Tom &amp; &lt;b&gt;Jerry&lt;/b&gt; Premium, ₹199" in new_order
    assert buyer.masked_phone in new_order
    assert f'href="https://shop.example/admin/orders/order/{order.pk}/change/"' in new_order
    assert str(account.pk) not in "".join(texts)


def test_alerts_are_rolled_back_with_what_they_tell_of(buyer, monkeypatch):
    plan = PlanFactory()
    add_account(plan)

    def refuse(**fields: object) -> None:
        # The debit is the last step: both alerts are written by now, and only this try sees them.
        assert kinds() == ["activated", "new_order"]
        raise InsufficientBalance(0, 199_00)

    monkeypatch.setattr("orders.services.post_entry", refuse)
    with pytest.raises(InsufficientBalance):
        buy(buyer, plan)
    assert (Alert.objects.count(), Order.objects.count()) == (0, 0)


def test_an_alert_that_cannot_be_written_undoes_the_purchase(buyer, monkeypatch):
    plan = PlanFactory()

    def refuse(**fields: object) -> None:
        raise IntegrityError("no alert")

    monkeypatch.setattr(Alert.objects, "create", refuse)
    with pytest.raises(IntegrityError):
        buy(buyer, plan)
    plan.refresh_from_db()
    assert (Order.objects.count(), plan.stock) == (0, 10)


def test_buying_opens_no_connection_but_to_the_database(
    telegram, buyer, client_for, monkeypatch, settings
):
    plan = PlanFactory()
    add_account(plan)
    client = client_for(buyer)
    page = client.get(plan.buy_url)
    quote = re.search(r'name="quote" value="([^"]+)"', page.content.decode())[1]
    port = int(telegram.base_url.rsplit(":", 1)[1].split("/")[0])
    opened: list[object] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: object) -> None:
        opened.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    assert client.post(plan.buy_url, {"quote": quote}).status_code == 302
    assert kinds() == ["activated", "new_order"]
    assert [address for address in opened if port in tuple(address)] == []
    assert telegram.requests == 0

"""What is written into the outbox, by whom, and that a page never talks to Telegram."""

import re
import socket

import pytest
from django.db import IntegrityError
from django.utils import timezone

from catalog.services import restock
from orders.models import Order
from orders.refunds import refund_order
from orders.services import deliver
from ottsonly.models import PeriodicJob
from ottsonly.signals import job_failing
from telegram_alerts.models import Alert
from telegram_alerts.texts import document_text
from tests.factories import (
    PIN,
    AdminFactory,
    PlanFactory,
    PlatformFactory,
    add_account,
    buy,
    give_money,
)
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
    assert kinds() == ["new_order", "pool_empty"]
    add_account(plan)
    deliver(order=order)
    assert kinds() == ["activated", "new_order", "pool_empty"]


def test_a_refund_is_told_of_once(buyer):
    order = buy(buyer, PlanFactory())
    admin = AdminFactory()
    for _unused in range(2):
        refund_order(order=order, amount_paise=199_00, reason="<late>", actor=admin, key="k")
    assert kinds() == ["new_order", "pool_empty", "refund"]
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
        for secret in ("s3cret-Pa55", PIN, "seat@example.com", buyer.phone, buyer.phone[3:]):
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


def test_an_empty_pool_is_told_of_by_the_first_order_that_waits(buyer, customer):
    plan = PlanFactory()
    first = buy(buyer, plan)
    buy(buyer, plan)
    assert kinds() == ["new_order", "new_order", "pool_empty"]
    text = Alert.objects.get(kind="pool_empty").text
    assert text.startswith(f"<b>Orders wait: {plan.platform.name} Premium</b>\n")
    assert f"/admin/catalog/plan/{plan.pk}/change/" in text
    add_account(plan, seats=2)
    for order in Order.objects.waiting():
        deliver(order=order)
    assert Order.objects.get(pk=first.pk).state == "completed"
    give_money(buyer, 500_00)
    buy(buyer, plan)
    assert kinds().count("pool_empty") == 2


def test_plans_prepared_by_hand_have_no_pool_that_could_be_empty(buyer):
    buy(buyer, PlanFactory(delivery="manual"))
    assert kinds() == ["new_order"]


def test_low_stock_is_told_of_once_for_each_crossing(buyer):
    give_money(buyer, 5000_00)
    plan = PlanFactory(stock=4, low_stock_threshold=2, delivery="manual")
    told = []
    for _unused in range(4):
        buy(buyer, plan)
        told.append(kinds().count("low_stock"))
    assert told == [0, 1, 1, 1]
    text = Alert.objects.get(kind="low_stock").text
    assert text.splitlines()[1] == "2 left, the threshold is 2"
    for delta, count in ((5, 1), (-2, 1), (-1, 2), (-1, 2), (6, 2), (-7, 3)):
        restock(plan=plan, delta=delta, note="", actor=None, key=f"{delta}:{count}")
        assert kinds().count("low_stock") == count


def test_a_refused_purchase_tells_of_no_low_stock(customer):
    plan = PlanFactory(stock=3, low_stock_threshold=2)
    with pytest.raises(InsufficientBalance):
        buy(customer, plan)
    assert kinds() == []


def test_a_job_that_fails_is_told_of_with_its_reason(db):
    job = PeriodicJob.objects.create(
        name="send-alerts", next_run=timezone.now(), failures=3, last_error="<Down>"
    )
    job_failing.send(sender=PeriodicJob, job=job)
    lines = Alert.objects.get(kind="job_failing").text.splitlines()
    assert lines[:3] == [
        "<b>Job failing: send-alerts</b>",
        "3 times in a row",
        "&lt;Down&gt;",
    ]
    assert "/admin/ottsonly/periodicjob/send-alerts/change/" in lines[3]


def test_the_longest_texts_stay_below_telegrams_limit(db):
    job = PeriodicJob(name="a" * 60, failures=3)
    text = document_text("<" * 900, ["&" * 900] * 40, job)
    assert 3000 < len(text) <= 4096
    assert text.count("<b>") == text.count("</b>") == 1


def test_each_chat_gets_the_kinds_that_it_wants(buyer, settings):
    settings.TELEGRAM_CHAT_ID = "-1"
    settings.TELEGRAM_CHATS = {"-2": ["new_order", "money"], "-3": ["refund"]}
    buy(buyer, PlanFactory(delivery="manual"))
    assert sorted(Alert.objects.values_list("chat", "kind")) == [
        ("-1", "new_order"),
        ("-2", "new_order"),
    ]

"""What customers are told, in the transaction of what it tells of."""

import pytest
from django.db import IntegrityError
from django.db.models.signals import post_save

from notifications import receivers
from notifications.models import Notification
from orders.models import Order
from orders.refunds import refund_order
from orders.services import deliver
from orders.signals import order_paid
from tests.factories import AdminFactory, PlanFactory, PlatformFactory, add_account, buy, give_money
from wallet.errors import InsufficientBalance
from wallet.gateway import Payment
from wallet.models import Recharge
from wallet.recharges import complete_recharge

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer(customer):
    """A customer with ₹500."""
    give_money(customer, 500_00)
    return customer


def make_plan(**fields):
    return PlanFactory(platform=PlatformFactory(name="Kite"), **fields)


def told() -> list[tuple[str, str, str]]:
    return list(
        Notification.objects.order_by("created_at", "pk").values_list("kind", "title", "link")
    )


def test_a_purchase_delivered_at_once_is_one_notice_that_it_is_ready(buyer):
    plan = make_plan()
    add_account(plan)
    order = buy(buyer, plan)
    assert told() == [("order", "Kite Premium is ready", order.subscription.get_absolute_url())]


def test_a_waiting_purchase_is_one_notice_and_one_more_at_delivery(buyer):
    plan = make_plan()
    order = buy(buyer, plan)
    waiting = ("order", "Kite Premium is being prepared", order.get_absolute_url())
    assert told() == [waiting]
    add_account(plan)
    deliver(order=order)
    ready = ("order", "Kite Premium is ready", order.subscription.get_absolute_url())
    assert told() == [waiting, ready]


def test_a_refund_and_a_top_up_are_told_of_with_the_money(buyer):
    order = buy(buyer, make_plan())
    refund_order(
        order=order, amount_paise=199_00, reason="late", actor=AdminFactory(), key="refund"
    )
    recharge = Recharge.objects.create(
        user=buyer, amount_paise=250_50, key="form", razorpay_order_id="order_1"
    )
    payment = Payment(
        id="pay_1", order_id="order_1", amount_paise=250_50, currency="INR", status="captured"
    )
    for source in (Recharge.Source.CALLBACK, Recharge.Source.WEBHOOK):
        complete_recharge(recharge=recharge, payment=payment, source=source)
    assert told()[1:] == [
        ("refund", "₹199 is back in your wallet", order.get_absolute_url()),
        ("wallet", "₹250.50 is in your wallet", recharge.get_absolute_url()),
    ]
    assert Notification.objects.get(kind="wallet").body == "Your balance is ₹750.50."


def test_a_notice_is_rolled_back_with_what_it_tells_of(buyer, monkeypatch):
    def refuse(**fields: object) -> None:
        # The debit is the last step: the notice is written by now, and only this try sees it.
        assert Notification.objects.count() == 1
        raise InsufficientBalance(0, 199_00)

    monkeypatch.setattr("orders.services.post_entry", refuse)
    with pytest.raises(InsufficientBalance):
        buy(buyer, make_plan())
    assert (Notification.objects.count(), Order.objects.count()) == (0, 0)


def test_a_notice_that_cannot_be_written_undoes_the_purchase(buyer):
    def refuse(sender, **kwargs: object) -> None:
        raise IntegrityError("no notice")

    post_save.connect(refuse, sender=Notification, dispatch_uid="refuse")
    try:
        with pytest.raises(IntegrityError):
            buy(buyer, make_plan())
    finally:
        post_save.disconnect(sender=Notification, dispatch_uid="refuse")
    assert (Notification.objects.count(), Order.objects.count()) == (0, 0)


def test_connecting_twice_listens_once():
    def mine() -> list[object]:
        # Other rooms listen too: only those of this one are counted.
        return [
            key for (key, _sender), *_rest in order_paid.receivers if "notifications." in str(key)
        ]

    assert len(mine()) == 1
    receivers.connect()
    assert len(mine()) == 1


def test_a_long_name_is_cut_to_the_field(buyer):
    plan = PlanFactory(platform=PlatformFactory(name="P" * 60), name="N" * 80)
    buy(buyer, plan)
    title = Notification.objects.get().title
    assert (len(title), title[-1]) == (120, "…")

"""What is written once stays as it was, whichever way somebody tries."""

import pytest

from orders.models import Refund
from orders.refunds import refund_order
from ottsonly.models import AuditEvent
from subscriptions.models import Extension
from subscriptions.services import extend_subscription
from tests.factories import AdminFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db


@pytest.fixture
def written(customer):
    """A refund, an extension, and the events of both."""
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 500_00)
    order = buy(customer, plan)
    admin = AdminFactory()
    extend_subscription(
        subscription=order.subscription, days=3, reason="sorry", actor=admin, key="e"
    )
    refund_order(order=order, amount_paise=50_00, reason="x", actor=admin, key="r", take_back=False)


@pytest.mark.parametrize("model", [Refund, AuditEvent])
def test_refunds_and_events_cannot_be_changed_or_deleted(written, model):
    before = list(model.objects.order_by("pk").values())
    document = model.objects.order_by("pk")[0]
    for change in (
        document.save,
        document.delete,
        model.objects.all().delete,
        lambda: model.objects.update(created_at=document.created_at),
        lambda: model.objects.bulk_update([document], ["created_at"]),
    ):
        with pytest.raises(TypeError, match="append-only"):
            change()
    assert list(model.objects.order_by("pk").values()) == before


def test_an_extension_cannot_be_deleted(written):
    for change in (Extension.objects.get().delete, Extension.objects.all().delete):
        with pytest.raises(TypeError, match="never deleted"):
            change()
    assert Extension.objects.get().days == 3

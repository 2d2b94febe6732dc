"""A shop in which everything has happened once, and whose books agree."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import StockMovement
from orders.models import Refund
from orders.refunds import refund_order
from ottsonly.mongo import in_transaction
from subscriptions.services import extend_subscription
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money
from wallet.gateway import Payment
from wallet.models import OpenItem, Recharge, SourceRefund, WalletTransaction
from wallet.recharges import complete_recharge
from wallet.services import post_entry

KEPT = {"django_migrations", "django_content_type", "auth_permission"}
# The shop is made by the services once and copied for each test: its documents as they lie there.
_MADE: dict[str, Any] = {}


@pytest.fixture
def raw(transactional_db: None) -> Any:
    """The database below Django, where anything can be broken."""
    connection.ensure_connection()
    return connection.database


@pytest.fixture
def shop(raw: Any) -> Iterator[SimpleNamespace]:
    """The ids of a delivered order, one that waits, one refunded, top-ups and refunds to source."""
    if not _MADE:
        made = _make()
        _MADE.update(documents=documents(raw), made=made)
    else:
        for name, rows in _MADE["documents"].items():
            if rows:
                raw[name].insert_many(rows)
    return _MADE["made"]


def documents(raw: Any) -> dict[str, list[Any]]:
    """Every document of the shop, by collection."""
    names = sorted(set(raw.list_collection_names()) - KEPT)
    return {name: list(raw[name].find().sort("_id")) for name in names}


def _make() -> SimpleNamespace:
    admin, asha, ravi = AdminFactory(), CustomerFactory(), CustomerFactory()
    for user in (asha, ravi):
        give_money(user, 1000_00)
    instant, manual = PlanFactory(), PlanFactory(delivery="manual")
    account = add_account(instant, seats=2)
    delivered, gone = buy(asha, instant), buy(ravi, instant)
    waiting, returned = buy(asha, manual), buy(ravi, manual)
    for order, key in ((gone, "gone"), (returned, "returned")):
        refund_order(order=order, amount_paise=199_00, reason="broken", actor=admin, key=key)
    given = extend_subscription(
        subscription=delivered.subscription, days=3, reason="sorry", actor=admin, key="given"
    )
    paid, back = _top_up(asha, "1"), _top_up(asha, "2")
    pending = Recharge.objects.create(user=asha, amount_paise=300_00, key="3")
    failed, processed = (_refund_to_source(back, admin, state) for state in ("failed", "processed"))
    item = OpenItem.objects.create(
        kind=OpenItem.Kind.SECOND_PAYMENT,
        reference="pay_9",
        amount_paise=500_00,
        state=OpenItem.State.CLOSED,
        note="given back by hand",
        closed_by=admin,
        closed_at=timezone.now(),
    )
    return SimpleNamespace(
        asha=asha.pk,
        ravi=ravi.pk,
        instant=instant.pk,
        account=account.pk,
        delivered=delivered,
        gone=gone,
        waiting=waiting,
        returned=returned,
        given=given.pk,
        refund=Refund.objects.get(key="gone").pk,
        paid=paid.pk,
        back=back.pk,
        pending=pending.pk,
        failed=failed.pk,
        processed=processed.pk,
        item=item.pk,
        sale=StockMovement.objects.get(key=f"sale:{delivered.pk}").pk,
        entry=WalletTransaction.objects.get(key=f"order:{delivered.pk}").pk,
    )


def _top_up(user: Any, name: str) -> Recharge:
    recharge = Recharge.objects.create(
        user=user, amount_paise=500_00, key=name, razorpay_order_id=f"order_{name}"
    )
    payment = Payment(f"pay_{name}", f"order_{name}", 500_00, "INR", "captured")
    return complete_recharge(recharge=recharge, payment=payment, source=Recharge.Source.WEBHOOK)


def _refund_to_source(recharge: Recharge, admin: Any, state: str) -> SourceRefund:
    """As the service leaves it once Razorpay has said how it ended."""
    refund = SourceRefund.objects.create(
        recharge=recharge,
        user_id=recharge.user_id,
        amount_paise=100_00,
        reason="asked for it",
        actor=admin,
        key=state,
        state=state,
        razorpay_refund_id=f"rfnd_{state}",
        finished_at=timezone.now(),
    )

    def move(sign: int, key: str) -> None:
        post_entry(
            user_id=recharge.user_id,
            amount_paise=sign * 100_00,
            reference_type="source_refund",
            reference_id=str(refund.pk),
            key=f"{key}:{refund.pk}",
            description="Refund to source",
        )

    in_transaction(lambda: move(-1, "source_refund"))
    if state == SourceRefund.State.FAILED:
        in_transaction(lambda: move(1, "source_refund_back"))
    else:
        Recharge.objects.filter(pk=recharge.pk).update(refunded_paise=100_00)
    return refund

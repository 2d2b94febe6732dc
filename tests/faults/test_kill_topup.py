"""Promise 6: killed at any command of a top-up, its money is credited once and never lost."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY

from accounts.models import TotpDevice
from orders.books import check_books
from ottsonly.admin_commands import issue_key
from tests.factories import AdminFactory, CustomerFactory
from tests.faults.victims import Victims
from wallet.models import Recharge, SourceRefund, WalletTransaction, WebhookEvent
from wallet.recharges import start_recharge
from wallet.reconciliation import reconcile, reconcile_pending
from wallet.services import balance_of
from wallet.source_refunds import send_due_source_refunds
from wallet.webhooks import apply_received

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]
HOOK = "/wallet/razorpay/webhook"
SECONDS_AGO = timedelta(seconds=5)


@pytest.fixture
def victims(razorpay):
    environment = {
        "RAZORPAY_KEY_ID": razorpay.key_id,
        "RAZORPAY_KEY_SECRET": razorpay.key_secret,
        "RAZORPAY_WEBHOOK_SECRET": razorpay.webhook_secret,
        "RAZORPAY_BASE_URL": razorpay.base_url,
    }
    with Victims(environment) as victims:
        yield victims


def _topup(key):
    return start_recharge(user=CustomerFactory(), amount_paise=500_00, key=key)


def _callback(razorpay, recharge):
    paid = razorpay.pay(recharge.razorpay_order_id, webhook=False)
    return {f"razorpay_{name}": paid[name] for name in ("order_id", "payment_id", "signature")}


def _books_agree():
    assert list(check_books()) == []
    assert reconcile(since=timezone.now() - timedelta(hours=1)).difference_paise == 0


def test_a_callback_killed_at_any_command_loses_no_payment(victims, razorpay):
    def run(key, **kill):
        recharge = _topup(key)
        said = victims.post(
            f"{recharge.get_absolute_url()}callback/",
            _callback(razorpay, recharge),
            user=recharge.user,
            **kill,
        )[0]
        return recharge, said

    _recharge, said = run("whole")
    assert said == "302"
    credited = []
    for kill in victims.kills():
        recharge, said = run(str(kill), **kill)
        assert said == ""
        before = balance_of(recharge.user_id)
        assert before in (0, 500_00)
        credited.append(before > 0)
        # No web hook comes: only the worker is left to find it.
        Recharge.objects.filter(pk=recharge.pk).update(next_check_at=timezone.now() - SECONDS_AGO)
        assert reconcile_pending() == (0 if before else 1)
        assert balance_of(recharge.user_id) == 500_00
        assert WalletTransaction.objects.filter(user_id=recharge.user_id).count() == 1
    # Whole or absent, and once it is whole it stays so: one command is the border.
    assert credited == sorted(credited)
    assert credited[-1] and not credited[0]
    _books_agree()


def test_a_web_hook_killed_at_any_command_is_applied_once(victims, razorpay):
    def run(key, **kill):
        recharge = _topup(key)
        known = {item["event_id"] for item in razorpay.control("webhooks")["items"]}
        razorpay.pay(recharge.razorpay_order_id, webhook=False)
        event = next(
            item
            for item in razorpay.control("webhooks")["items"]
            if item["event"] == "payment.captured" and item["event_id"] not in known
        )
        headers = {
            "X-Razorpay-Signature": event["signature"],
            "X-Razorpay-Event-Id": event["event_id"],
        }
        said, _count = victims.post(HOOK, event["body"], headers=headers, **kill)
        return recharge, event, headers, said

    *_rest, said = run("whole")
    assert said == "204"
    stored_only = 0
    for kill in victims.kills():
        recharge, event, headers, said = run(str(kill), **kill)
        assert said == ""
        stored = WebhookEvent.objects.filter(pk=event["event_id"]).first()
        if stored is None:
            # Razorpay got no answer, so it sends the event again.
            assert balance_of(recharge.user_id) == 0
            assert victims.post(HOOK, event["body"], headers=headers)[0] == "204"
        else:
            # Razorpay may take it for stored: nobody but the worker applies it.
            stored_only += balance_of(recharge.user_id) == 0
            assert apply_received() == (stored.state == "received")
        assert balance_of(recharge.user_id) == 500_00
        assert WalletTransaction.objects.filter(user_id=recharge.user_id).count() == 1
        assert WebhookEvent.objects.get(pk=event["event_id"]).state == "applied"
    assert stored_only > 3
    _books_agree()


def test_a_start_killed_at_any_command_is_repaired_by_the_same_form(victims, razorpay):
    def run(user, key, **kill):
        form = {"amount": "500", "key": key}
        return victims.post("/wallet/topup/", form, user=user, **kill)[0]

    assert run(CustomerFactory(), "whole") == "302"
    for kill in victims.kills():
        user = CustomerFactory()
        assert run(user, "form", **kill) == ""
        assert run(user, "form") == "302"
        recharge = Recharge.objects.get(user_id=user.pk)
        receipts = [
            order["id"]
            for order in razorpay.control("state")["orders"]
            if order["receipt"] == str(recharge.pk)
        ]
        assert receipts == [recharge.razorpay_order_id]


def test_a_refund_to_source_killed_at_any_command_pays_once_or_not(victims, razorpay):
    admin = AdminFactory()
    device = TotpDevice.objects.create(user=admin, name="authenticator", key="MFRGGZDFMZTWQ2LK")
    session = {DEVICE_ID_SESSION_KEY: device.persistent_id}

    def run(key, **kill):
        recharge = _topup(key)
        razorpay.pay(recharge.razorpay_order_id, webhook=False)
        Recharge.objects.filter(pk=recharge.pk).update(next_check_at=timezone.now() - SECONDS_AGO)
        assert reconcile_pending() == 1
        signed = issue_key(user=admin, action="wallet.recharge.source_refund", target=recharge.pk)
        said = victims.post(
            f"/admin/wallet/recharge/{recharge.pk}/source-refund/",
            {"amount": "200", "reason": "asked", "confirmed": "1", "command_key": signed},
            user=admin,
            session=session,
            **kill,
        )[0]
        return recharge, said

    _recharge, said = run("whole")
    assert said == "302"
    requested = 0
    for kill in victims.kills():
        recharge, said = run(str(kill), **kill)
        assert said == ""
        refund = SourceRefund.objects.filter(recharge_id=recharge.pk).first()
        assert balance_of(recharge.user_id) == (300_00 if refund else 500_00)
        if refund:
            requested += refund.state == "requested"
            SourceRefund.objects.filter(pk=refund.pk).update(
                next_attempt_at=timezone.now() - SECONDS_AGO
            )
            send_due_source_refunds()
            refund.refresh_from_db()
            assert refund.state == "processed"
        recharge.refresh_from_db()
        paid_back = [
            row["amount"]
            for row in razorpay.control("state")["refunds"]
            if row["payment_id"] == recharge.payment_id
        ]
        assert paid_back == ([200_00] if refund else [])
    assert requested > 3
    _books_agree()

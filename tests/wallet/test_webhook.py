"""Web hooks: signed, stored, applied once, in whatever order they come."""

import pytest

from wallet import webhooks
from wallet.models import Recharge, WalletTransaction, WebhookEvent
from wallet.services import balance_of
from wallet.signals import wallet_recharged

pytestmark = pytest.mark.django_db(transaction=True)


def _state(recharge):
    recharge.refresh_from_db()
    return recharge.state, balance_of(recharge.user_id), WalletTransaction.objects.count()


def test_a_signed_event_credits(recharge, send_hook):
    assert send_hook(recharge) == 204
    assert _state(recharge) == ("completed", 500_00, 1)
    assert (recharge.payment_id, recharge.source) == ("pay_1", "webhook")


@pytest.mark.parametrize(
    "forged",
    [{"signature": ""}, {"signature": "0" * 64}, {"signature": "é" * 64}, {"altered": b" "}],
)
def test_a_forged_or_altered_event_writes_nothing(recharge, send_hook, forged):
    assert send_hook(recharge, **forged) == 400
    assert _state(recharge) == ("pending", 0, 0)
    assert WebhookEvent.objects.count() == 0


def test_without_a_secret_nothing_is_believed(recharge, send_hook, razorpay, settings):
    settings.RAZORPAY_WEBHOOK_SECRET = ""
    assert send_hook(recharge) == 400
    assert WebhookEvent.objects.count() == 0


@pytest.mark.parametrize("renamed", [False, True])
def test_ten_times_credits_once(recharge, send_hook, renamed):
    for number in range(10):
        assert send_hook(recharge, event_id=f"evt_{number if renamed else 0}") == 204
    assert _state(recharge) == ("completed", 500_00, 1)
    assert WebhookEvent.objects.count() == (10 if renamed else 1)


def test_a_failure_before_and_after_the_capture(recharge, send_hook):
    assert send_hook(recharge, kind="payment.failed", payment_id="pay_0", event_id="e1") == 204
    assert _state(recharge) == ("failed", 0, 0)
    assert recharge.failure_reason == "The bank said no."
    assert send_hook(recharge, kind="order.paid", event_id="e2") == 204
    assert send_hook(recharge, kind="payment.captured", event_id="e3") == 204
    assert send_hook(recharge, kind="payment.failed", payment_id="pay_0", event_id="e4") == 204
    assert _state(recharge) == ("completed", 500_00, 1)
    assert recharge.failure_reason == ""


@pytest.mark.parametrize(
    "other", [{"amount": 1}, {"amount": 999_00}, {"currency": "USD"}, {"status": "created"}]
)
def test_an_event_that_does_not_fit_the_top_up_credits_nothing(recharge, send_hook, other):
    assert send_hook(recharge, **other) == 204
    assert _state(recharge) == ("pending", 0, 0)
    assert WebhookEvent.objects.get().note.startswith("refused")


def test_a_second_payment_on_one_order_is_left_to_an_operator(recharge, send_hook):
    send_hook(recharge, payment_id="pay_1", event_id="e1")
    send_hook(recharge, payment_id="pay_2", event_id="e2")
    assert _state(recharge) == ("completed", 500_00, 1)
    assert WebhookEvent.objects.get(pk="e2").note == (
        "a second payment: not credited, needs an operator"
    )


def test_unknown_events_are_kept(recharge, send_hook):
    assert send_hook(recharge, kind="refund.created") == 204
    assert _state(recharge) == ("pending", 0, 0)
    assert WebhookEvent.objects.get().state == "applied"


def test_what_was_stored_and_not_applied_is_applied_later(recharge, send_hook, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(webhooks, "_apply_safely", lambda event: False)
        assert send_hook(recharge) == 204
    assert WebhookEvent.objects.get().state == "received"
    assert _state(recharge) == ("pending", 0, 0)
    assert webhooks.apply_received() == 1
    assert webhooks.apply_received() == 0
    assert _state(recharge) == ("completed", 500_00, 1)


def test_an_event_that_cannot_be_read_does_not_hold_up_the_others(recharge, send_hook, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(webhooks, "_apply_safely", lambda event: False)
        send_hook(recharge, amount="not a number", event_id="e1")
        send_hook(recharge, event_id="e2")
    assert webhooks.apply_received() == 2
    assert _state(recharge) == ("completed", 500_00, 1)
    assert WebhookEvent.objects.get(pk="e1").note == "cannot be read"


def test_a_failed_write_of_a_listener_takes_the_credit_back(recharge, send_hook):
    def write_twice(**_unused):
        WebhookEvent.objects.create(event_id="evt_1", type="t", payload="")

    wallet_recharged.connect(write_twice)
    try:
        assert send_hook(recharge) == 204
    finally:
        wallet_recharged.disconnect(write_twice)
    assert _state(recharge) == ("pending", 0, 0)
    assert WebhookEvent.objects.get(pk="evt_1").state == "received"
    assert webhooks.apply_received() == 1
    assert _state(recharge) == ("completed", 500_00, 1)


def test_the_raw_document_has_no_order_until_razorpay_gave_one(customer):
    for number in range(2):
        Recharge.objects.create(user=customer, amount_paise=100_00, key=str(number))
    assert Recharge.objects.filter(razorpay_order_id__isnull=True).count() == 2

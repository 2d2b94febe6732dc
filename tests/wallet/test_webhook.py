"""Web hooks: signed, stored, applied once, in whatever order they come."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.admin.utils import quote
from django.db import DatabaseError
from django.urls import reverse
from django.utils import timezone

from ottsonly.models import AuditEvent
from telegram_alerts.models import Alert
from tests.factories import AdminFactory, SupportFactory
from wallet import webhooks
from wallet.errors import RetryRefused
from wallet.models import OpenItem, Recharge, WalletTransaction, WebhookEvent
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


def test_what_is_nested_too_deep_is_no_event(post_signed):
    status = {}
    for depth in (700, 1_000_000):
        nested = b"[" * depth + b"]" * depth
        status[depth] = post_signed(b'{"event": "x", "payload": ' + nested + b"}", f"evt_{depth}")
    assert status[1_000_000] == 400
    # What is only stored would be tried for ever.
    assert WebhookEvent.objects.filter(state="received").count() == 0


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


@pytest.fixture
def failing(recharge, send_hook, monkeypatch):
    """Fifty events, stored first, that fail whenever they are applied, and how often they were."""
    real, tried = webhooks._apply, []

    def fail_or_apply(event, body):
        if event.pk.startswith("bad"):
            tried.append(event.pk)
            raise DatabaseError("mongodb://shop:s3cret@db/ says no")
        return real(event, body)

    monkeypatch.setattr(webhooks, "_apply", fail_or_apply)
    WebhookEvent.objects.bulk_create(
        WebhookEvent(event_id=f"bad_3D/{number}", type="payment.captured", payload="{}")
        for number in range(50)
    )
    with monkeypatch.context() as patch:
        patch.setattr(webhooks, "_apply_safely", lambda event: False)
        assert send_hook(recharge) == 204
    return tried


def test_fifty_events_that_fail_for_ever_hold_up_nobody(recharge, failing):
    assert webhooks.apply_received() == 0
    assert webhooks.apply_received() == 1
    assert _state(recharge) == ("completed", 500_00, 1)
    assert (len(failing), WebhookEvent.objects.filter(state="received").count()) == (50, 50)


def test_an_event_that_fails_comes_again_at_growing_distances_and_is_told_once(failing):
    WebhookEvent.objects.exclude(pk="bad_3D/0").delete()
    pauses, told = [], []
    now = timezone.now()
    for _unused in range(16):
        with time_machine.travel(now, tick=False):
            assert webhooks.apply_received() == 0
            # Not due yet: nobody tries it again.
            assert webhooks.apply_received() == 0
        event = WebhookEvent.objects.get()
        pauses.append(round((event.next_attempt_at - now).total_seconds()))
        told.append(Alert.objects.filter(kind="money").count())
        now = event.next_attempt_at + timedelta(milliseconds=1)
    assert pauses[:4] == [5, 10, 20, 40] and pauses[-1] == 3600
    assert (event.state, event.attempts, len(failing)) == ("received", 16, 16)
    assert event.note == "DatabaseError: mongodb://***@db/ says no"
    assert told == [0] * 5 + [1] * 11
    text = Alert.objects.get(kind="money").text
    assert "payment.captured, 5 times in a row" in text
    assert "/wallet/webhookevent/bad_5F3D_2F0/change/" in text
    WebhookEvent.objects.update(attempts=5000)
    with time_machine.travel(now, tick=False):
        assert webhooks.apply_received() == 0
    assert WebhookEvent.objects.get().attempts == 5001


def test_of_two_workers_that_read_the_same_event_one_tries_it(failing):
    event = WebhookEvent.objects.get(pk="bad_3D/0")
    assert [webhooks._attempt(event), webhooks._attempt(event)] == [False, False]
    assert failing == ["bad_3D/0"]


def test_an_operator_tries_an_event_again(failing, recharge, console_for):
    admin, event = AdminFactory(), WebhookEvent.objects.get(pk="evt_1")
    later = timezone.now() + timedelta(hours=1)
    WebhookEvent.objects.update(attempts=9, next_attempt_at=later)
    for actor in (SupportFactory(), recharge.user):
        with pytest.raises(RetryRefused):
            webhooks.retry_event(event=event, actor=actor)
    assert (webhooks.apply_received(), _state(recharge)) == (0, ("pending", 0, 0))
    console = console_for(admin)
    for pk, answer in (("evt_1", 302), ("bad_3D/0", 409), ("evt_1", 409)):
        url = reverse("admin:wallet_webhookevent_retry", args=[quote(pk)])
        form = console.get(url)
        assert console.post(url, {"command_key": form.context["key"]}).status_code == answer
        buttons = console.get(form.context["back_url"]).context["document_buttons"]
        assert bool(buttons) is (pk != "evt_1")
    assert _state(recharge) == ("completed", 500_00, 1)
    bad = WebhookEvent.objects.get(pk="bad_3D/0")
    # Counted anew, and told anew if it goes on.
    assert (bad.state, bad.attempts) == ("received", 1)
    events = AuditEvent.objects.filter(action="wallet.retry_event", actor=admin)
    assert events.count() == 2


def test_the_raw_document_has_no_order_until_razorpay_gave_one(customer):
    for number in range(2):
        Recharge.objects.create(user=customer, amount_paise=100_00, key=str(number))
    assert Recharge.objects.filter(razorpay_order_id__isnull=True).count() == 2


def _dispute(phase, payment_id="pay_1", **more):
    entity = {"id": "disp_1", "payment_id": payment_id, "amount": 500_00, **more}
    return {"event": f"payment.dispute.{phase}", "payload": {"dispute": {"entity": entity}}}


def test_each_step_of_a_dispute_is_told_once_and_opens_one_item(recharge, send_hook, post_signed):
    send_hook(recharge)
    for number, phase in enumerate(["created", "created", "under_review", "lost", "closed"]):
        for _unused in range(2):
            assert post_signed(_dispute(phase), f"evt_d{number}") == 204
    texts = Alert.objects.filter(kind="money").values_list("text", flat=True)
    told = sorted(text.splitlines()[0] for text in texts)
    assert told == [
        f"<b>Payment dispute: {phase}</b>"
        for phase in ["closed", "created", "created", "lost", "under_review"]
    ]
    item = OpenItem.objects.get()
    assert (item.kind, item.reference, item.amount_paise) == ("dispute", "disp_1", 0)
    assert item.recharge_id == recharge.pk
    assert _state(recharge) == ("completed", 500_00, 1)


def test_two_workers_that_read_the_same_event_tell_a_dispute_once(recharge, post_signed):
    assert post_signed(_dispute("created")) == 204
    event = WebhookEvent.objects.get()
    # As another worker has it, which read the list a moment before.
    event.state = WebhookEvent.State.RECEIVED
    webhooks._apply_safely(event)
    assert Alert.objects.filter(kind="money").count() == 1


def test_a_dispute_from_the_sandbox_is_told(recharge, razorpay, post_events):
    payment = razorpay.pay(recharge.razorpay_order_id, webhook=False)
    razorpay.control("dispute", {"payment_id": payment["payment_id"]})
    assert set(post_events(backwards=True)) == {204}
    assert _state(recharge) == ("completed", 500_00, 1)
    assert OpenItem.objects.get().detail == f"of {payment['payment_id']}"
    assert set(WebhookEvent.objects.values_list("type", "state")) == {
        ("payment.authorized", "applied"),
        ("payment.captured", "applied"),
        ("order.paid", "applied"),
        ("payment.dispute.created", "applied"),
    }


def test_a_captured_payment_without_a_top_up_is_an_item(recharge, send_hook):
    assert send_hook(recharge, order_id="order_of_nobody") == 204
    assert _state(recharge) == ("pending", 0, 0)
    item = OpenItem.objects.get()
    assert (item.kind, item.reference, item.amount_paise) == ("no_recharge", "pay_1", 500_00)


def test_a_payment_in_another_currency_is_no_rupees(recharge, send_hook):
    assert send_hook(recharge, order_id="order_of_nobody", currency="USD") == 204
    item = OpenItem.objects.get()
    assert (item.kind, item.reference, item.amount_paise) == ("no_recharge", "pay_1", 0)


def test_events_that_wait_are_applied_no_longer_than_the_budget(recharge, send_hook, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(webhooks, "_apply_safely", lambda event: False)
        for number in range(3):
            send_hook(recharge, kind="payment.unknown", event_id=f"e{number}")
    answers = iter([True, False])
    monkeypatch.setattr(webhooks, "may_continue", lambda: next(answers))
    assert webhooks.apply_received() == 1
    assert list(WebhookEvent.objects.filter(state="applied").values_list("pk", flat=True)) == ["e0"]
    monkeypatch.undo()
    assert webhooks.apply_received() == 2


def test_another_body_under_a_known_name_is_another_event(recharge, send_hook):
    assert send_hook(recharge, kind="payment.failed", payment_id="pay_0", event_id="e1") == 204
    assert send_hook(recharge, event_id="e1") == 204
    assert _state(recharge) == ("completed", 500_00, 1)
    assert WebhookEvent.objects.count() == 2


def _payment(**more):
    entity = {"id": "pay_1", "order_id": "order_1", "currency": "INR", "status": "captured"}
    return {"event": "payment.captured", "payload": {"payment": {"entity": entity | more}}}


@pytest.mark.parametrize(
    "body",
    [
        {"event": "refund.processed", "payload": {}},
        {"event": "payment.dispute.created", "payload": {"dispute": {"entity": []}}},
        {"event": "payment.captured", "payload": {"payment": {"entity": {"id": "pay_1"}}}},
        {"event": "payment.captured", "payload": None},
        _payment(amount=2**63),
        _payment(amount=-1),
    ],
)
def test_what_cannot_be_read_is_kept_and_acknowledged(recharge, post_signed, body):
    assert post_signed(body) == 204
    assert WebhookEvent.objects.values_list("state", "note").get() == ("applied", "cannot be read")
    assert _state(recharge) == ("pending", 0, 0)


def test_the_answer_does_not_wait_for_razorpay(recharge, razorpay, send_hook):
    """A copy that says "authorized" would make us capture: the worker does, not the web hook."""
    razorpay.pay(recharge.razorpay_order_id, "authorized", webhook=False)
    razorpay.fault("timeout", count=9, seconds=9)
    assert send_hook(recharge, status="authorized") == 204
    razorpay.fault("none")
    assert _state(recharge) == ("pending", 0, 0)
    assert WebhookEvent.objects.get().note == "not captured yet"


def test_the_answer_is_no_2xx_when_it_could_not_be_stored(recharge, send_hook, settings):
    from django.db import connection
    from pymongo.errors import PyMongoError

    host = connection.settings_dict["HOST"]
    options = connection.settings_dict["OPTIONS"]
    connection.close_pool()
    connection.settings_dict["HOST"] = "mongodb://127.0.0.1:9/?directConnection=true"
    connection.settings_dict["OPTIONS"] = {**options, "serverSelectionTimeoutMS": 100}
    try:
        with pytest.raises((DatabaseError, PyMongoError)):
            send_hook(recharge)
    finally:
        connection.close_pool()
        connection.settings_dict["HOST"] = host
        connection.settings_dict["OPTIONS"] = options
    assert WebhookEvent.objects.count() == 0
    assert send_hook(recharge) == 204
    assert _state(recharge) == ("completed", 500_00, 1)

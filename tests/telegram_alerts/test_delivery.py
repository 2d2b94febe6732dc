"""Delivery of the outbox by the real SDK over HTTP: what fails waits, nothing is lost."""

import logging
import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from telegram.error import RetryAfter

from ottsonly.jobs import ask_to_stop, forget_stop
from telegram_alerts import delivery
from telegram_alerts.chats import write_alert
from telegram_alerts.delivery import Outcome, claim_batch, deliver_batch
from telegram_alerts.models import Alert, DeliveryPause
from tests.telegram_alerts.fake_bot_api import OTHER_CHAT, TOKEN

pytestmark = pytest.mark.django_db


def states() -> list[str]:
    return list(Alert.objects.order_by("text").values_list("state", flat=True))


def test_what_is_due_is_sent_once_and_noted(telegram, make_alerts):
    make_alerts(3)
    assert deliver_batch() == Outcome(claimed=3, sent=3)
    assert sorted(telegram.delivered) == ["alert 0", "alert 1", "alert 2"]
    assert {(a.state, a.attempts, a.last_error) for a in Alert.objects.all()} == {("sent", 1, "")}
    assert all(alert.sent_at is not None for alert in Alert.objects.all())
    assert deliver_batch() == Outcome()
    assert telegram.requests == 3


def test_without_a_token_alerts_are_kept(telegram, make_alerts, settings):
    settings.TELEGRAM_BOT_TOKEN = ""
    make_alerts(2)
    assert deliver_batch() == Outcome()
    delivery.deliver_due()
    assert (states(), telegram.requests) == (["pending"] * 2, 0)
    assert set(Alert.objects.values_list("claimed_until", flat=True)) == {None}


def test_what_is_not_due_waits(telegram, make_alerts):
    make_alerts(1)
    Alert.objects.update(next_attempt_at=timezone.now() + timedelta(minutes=1))
    assert deliver_batch() == Outcome()
    assert telegram.requests == 0


def test_flood_control_pauses_all_that_is_due(telegram, make_alerts, make_due):
    make_alerts(delivery.BATCH + 5)
    telegram.script = ["ok", "flood"]
    before = timezone.now()
    # The first alone, then four at once, of which one was refused.
    assert deliver_batch() == Outcome(claimed=delivery.BATCH, sent=4, paused=True)
    waiting = Alert.objects.filter(state="pending")
    assert list(waiting.values_list("attempts", "claimed_until")) == [(0, None)] * (
        delivery.BATCH + 1
    )
    # Telegram asked for 7 seconds; one more is given. What comes now waits as well.
    assert DeliveryPause.objects.get().until >= before + timedelta(seconds=7.9)
    assert DeliveryPause.objects.get().until < before + timedelta(seconds=20)
    said, told = StringIO(), StringIO()
    call_command("deliver_alerts", stdout=said, stderr=told)
    assert (said.getvalue(), told.getvalue()[:18]) == ("0 sent\n", "Alerts wait until ")
    assert deliver_batch() == Outcome(paused=True)
    assert telegram.requests == 5
    make_due()
    assert [deliver_batch().sent, deliver_batch().sent] == [delivery.BATCH, 1]
    assert len(set(telegram.delivered)) == len(telegram.delivered) == delivery.BATCH + 5


def test_flood_control_is_read_as_a_timedelta_too(telegram, make_alerts, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    assert RetryAfter(7).retry_after == timedelta(seconds=7)
    make_alerts(1)
    telegram.script = ["flood"]
    before = timezone.now()
    assert deliver_batch().paused
    rest = DeliveryPause.objects.get().until - before
    assert timedelta(seconds=7.9) < rest < timedelta(seconds=20)


@pytest.mark.parametrize("fault", ["500", "html", "drop"])
def test_a_passing_fault_is_tried_again_and_holds_up_nothing(
    telegram, make_alerts, make_due, fault
):
    make_alerts(3)
    telegram.script = [fault]
    assert deliver_batch() == Outcome(claimed=3, sent=2)
    failed = Alert.objects.get(state="pending")
    assert (failed.attempts, failed.claimed_until) == (1, None)
    assert failed.last_error.startswith("NetworkError: ")
    assert failed.next_attempt_at > timezone.now()
    make_due()
    assert deliver_batch() == Outcome(claimed=1, sent=1)
    assert set(telegram.delivered) == {"alert 0", "alert 1", "alert 2"}
    # Only what was dropped after it was taken arrives twice: at least once, never lost.
    assert len(telegram.delivered) == (4 if fault == "drop" else 3)


def test_pauses_grow_and_end(telegram, make_alerts, make_due, monkeypatch):
    monkeypatch.setattr(delivery.random, "uniform", lambda low, high: 1.0)
    monkeypatch.setattr(delivery, "MOST_ATTEMPTS", 4)
    make_alerts(1)
    telegram.script = ["500"] * 4
    pauses = []
    for _unused in range(4):
        make_due()
        before = timezone.now()
        deliver_batch()
        alert = Alert.objects.get()
        pauses.append(round((alert.next_attempt_at - before).total_seconds() / 2) * 2)
    assert pauses == [2, 4, 8, 16]
    assert (alert.state, alert.attempts) == ("failed", 4)
    assert deliver_batch() == Outcome()


def test_the_longest_pause_is_about_an_hour(make_alerts, monkeypatch):
    monkeypatch.setattr(delivery.random, "uniform", lambda low, high: high)
    (alert,) = make_alerts(1)
    alert.attempts = 20
    before = timezone.now()
    delivery._failed(alert, delivery.TelegramError("down"), for_good=False)
    pause = Alert.objects.get().next_attempt_at - before
    # An hour and the most that is added to it; the database cuts microseconds.
    assert round(pause.total_seconds()) == 5400


def test_a_message_that_telegram_refuses_fails_for_good_and_alone(telegram, make_alerts):
    make_alerts(2)
    telegram.script = ["bad message"]
    assert deliver_batch() == Outcome(claimed=2, sent=1)
    assert sorted(states()) == ["failed", "sent"]
    failed = Alert.objects.get(state="failed")
    assert failed.last_error == "BadRequest: Can't parse entities"


def test_a_message_that_breaks_the_library_is_a_try_and_holds_up_no_other(telegram, make_alerts):
    make_alerts(6)
    broken = Alert.objects.order_by("next_attempt_at").first()
    connection.database["alerts"].update_one({"_id": broken.pk}, {"$set": {"text": b"no text"}})
    assert deliver_batch() == Outcome(claimed=6, sent=5)
    assert (len(telegram.delivered), Alert.objects.filter(state="sent").count()) == (5, 5)
    broken = Alert.objects.get(state="pending")
    assert (broken.attempts, broken.claimed_until) == (1, None)
    assert broken.next_attempt_at > timezone.now()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("bad token", "TELEGRAM_BOT_TOKEN is refused (InvalidToken: "),
        ("kicked", "Chat -1001 is refused (Forbidden: "),
        ("no chat", "Chat -1001 is refused (BadRequest: "),
    ],
)
def test_a_wrong_set_up_is_one_error_and_fails_no_alert(
    telegram, make_alerts, make_due, caplog, fault, reason
):
    make_alerts(3)
    telegram.script = [fault]
    with caplog.at_level(logging.DEBUG, logger="telegram_alerts"):
        delivery.deliver_due()
        delivery.deliver_due()
    assert states() == ["pending"] * 3
    assert set(Alert.objects.values_list("attempts", "claimed_until")) == {(0, None)}
    assert telegram.requests == 1
    pause = DeliveryPause.objects.get()
    assert pause.reason.startswith(reason)
    assert TOKEN not in caplog.text + pause.reason
    make_due()
    assert deliver_batch() == Outcome(claimed=3, sent=3)
    assert DeliveryPause.objects.count() == 0


def test_each_refusal_in_a_row_rests_twice_as_long_up_to_an_hour(telegram, make_alerts, make_due):
    make_alerts(1)
    telegram.refusals = {"-1001": "kicked"}
    rests = []
    for _unused in range(6):
        make_due()
        before = timezone.now()
        deliver_batch()
        rests.append(round((DeliveryPause.objects.get().until - before).total_seconds() / 60))
    assert rests == [5, 10, 20, 40, 60, 60]
    assert telegram.requests == 6
    assert states() == ["pending"]


def test_a_bad_chat_neither_blocks_nor_doubles_the_other(telegram, make_due, settings):
    settings.TELEGRAM_CHAT_ID = ""
    settings.TELEGRAM_CHATS = {"-1001": ["*"], OTHER_CHAT: ["refund", "new_order"]}
    telegram.refusals = {"-1001": "kicked"}
    telegram.known_chats = {"-1001", OTHER_CHAT}
    for number in range(5):
        write_alert(kind="new_order", text=f"alert {number}")
    write_alert(kind="recharge", text="not for the other")
    delivery.deliver_due()
    delivery.deliver_due()
    # Several are under way at once, so only which arrived is promised, not in what order.
    assert sorted(telegram.delivered) == [f"alert {number}" for number in range(5)]
    assert set(telegram.chats) == {OTHER_CHAT}
    # The bad chat was tried while the good one was served, and then left alone.
    assert 5 < telegram.requests <= 5 + delivery.AT_ONCE
    telegram.refusals = {}
    make_due()
    delivery.deliver_due()
    assert sorted(telegram.delivered[5:]) == [
        *(f"alert {number}" for number in range(5)),
        "not for the other",
    ]
    assert set(telegram.chats[5:]) == {"-1001"}
    assert set(Alert.objects.values_list("state", flat=True)) == {"sent"}


def test_what_waits_for_a_chat_that_is_gone_fails_with_its_reason(telegram, make_alerts, settings):
    make_alerts(1)
    Alert.objects.update(chat="-77")
    assert deliver_batch() == Outcome()
    assert delivery.retire_unknown_chats() == 1
    failed = Alert.objects.get()
    assert (failed.state, failed.last_error) == ("failed", delivery.UNKNOWN_CHAT)
    assert telegram.requests == 0


def test_written_before_a_chat_was_set_up_it_goes_to_the_first(telegram, settings):
    chat, settings.TELEGRAM_CHAT_ID = settings.TELEGRAM_CHAT_ID, ""
    write_alert(kind="new_order", text="early")
    assert Alert.objects.get().chat == ""
    assert deliver_batch() == Outcome()
    settings.TELEGRAM_CHAT_ID = chat
    assert deliver_batch() == Outcome(claimed=1, sent=1)
    assert telegram.chats == ["-1001"]


def test_asked_to_stop_the_message_in_hand_is_finished_and_the_rest_given_back(
    telegram, make_alerts
):
    make_alerts(3)
    telegram.before_answer = ask_to_stop
    try:
        delivery.deliver_due()
    finally:
        forget_stop()
    assert telegram.requests == 1
    assert sorted(states()) == ["pending", "pending", "sent"]
    waiting = Alert.objects.filter(state="pending")
    assert set(waiting.values_list("claimed_until", "attempts")) == {(None, 0)}


def test_a_silent_telegram_holds_one_message_for_the_timeout_only(
    telegram, make_alerts, monkeypatch
):
    monkeypatch.setattr(delivery, "TIMEOUT_SECONDS", 0.2)
    released = threading.Event()
    telegram.before_answer = lambda: released.wait(10)
    make_alerts(3)
    assert deliver_batch() == Outcome(claimed=3, sent=0, paused=True)
    released.set()
    assert states() == ["pending"] * 3
    assert telegram.requests == 1


def test_nobody_listening_is_an_error_that_waits(telegram, make_alerts, settings):
    settings.TELEGRAM_BASE_URL = "http://127.0.0.1:9/bot"
    make_alerts(1)
    assert deliver_batch() == Outcome(claimed=1, sent=0)
    assert states() == ["pending"]


def test_a_claim_belongs_to_one_until_its_lease_ends(make_alerts):
    make_alerts(3)
    assert len(claim_batch()) == 3
    assert claim_batch() == []
    past = timezone.now() - timedelta(seconds=1)
    Alert.objects.update(claimed_until=past)
    assert len(claim_batch()) == 3


def test_a_claim_lost_between_reading_and_writing_is_not_taken(make_alerts, monkeypatch):
    make_alerts(1)
    rivals: list[list[Alert]] = []
    token_hex = delivery.secrets.token_hex

    def after_reading(size: int) -> str:
        """Another worker claims what was read, before this one writes."""
        monkeypatch.setattr(delivery.secrets, "token_hex", token_hex)
        rivals.append(claim_batch())
        return token_hex(size)

    monkeypatch.setattr(delivery.secrets, "token_hex", after_reading)
    assert claim_batch() == []
    assert len(rivals[0]) == 1


def test_a_worker_whose_lease_was_taken_over_writes_nothing(make_alerts):
    make_alerts(1)
    (slow,) = claim_batch()
    Alert.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    (quick,) = claim_batch()
    delivery._failed(slow, delivery.TelegramError("late"), for_good=True)
    assert Alert.objects.get().state == "pending"
    delivery._sent([slow])
    assert Alert.objects.get().state == "pending"
    delivery._sent([quick])
    assert Alert.objects.get().state == "sent"


def test_the_lease_outlasts_the_longest_batch():
    assert delivery.BATCH * delivery.TIMEOUT_SECONDS < delivery.LEASE_SECONDS


def test_all_batches_are_sent_past_a_refused_one(telegram, make_alerts):
    make_alerts(delivery.BATCH + 3)
    telegram.script = ["bad message"] * delivery.BATCH
    delivery.deliver_due()
    assert sorted(states()) == ["failed"] * delivery.BATCH + ["sent"] * 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("workers", [3, 8])
def test_workers_at_once_lose_nothing_and_double_only_lost_replies(
    telegram, make_alerts, monkeypatch, workers
):
    monkeypatch.setattr(delivery, "_rest", lambda attempts: 0.0)
    make_alerts(100)
    faults = ["500", "html", "drop", "cut", "flood 0", "500", "drop"] * 3
    telegram.script = [name for fault in faults for name in (fault, "ok", "ok")]
    barrier = threading.Barrier(workers)
    sent = [0] * workers
    deadline = timezone.now() + timedelta(seconds=120)

    def work(index: int) -> None:
        barrier.wait(timeout=30)
        try:
            while Alert.objects.filter(state="pending").exists() and timezone.now() < deadline:
                sent[index] += deliver_batch(limit=4).sent
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(index,)) for index in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=150)
    assert states() == ["sent"] * 100
    assert sum(sent) == 100
    assert set(telegram.delivered) == {f"alert {number}" for number in range(100)}
    assert telegram.dropped == 6
    assert len(telegram.delivered) == 100 + telegram.dropped


def test_control_a_claim_without_its_condition_would_double(telegram, make_alerts, monkeypatch):
    make_alerts(1)
    monkeypatch.setattr(delivery, "_free", lambda now: Alert.objects.all())
    first, second = claim_batch(), claim_batch()
    assert (len(first), len(second)) == (1, 1)

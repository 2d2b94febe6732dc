"""Reminders that leave the shop: by SMS over HTTP and by e-mail, each once, by the worker only."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from ottsonly import clock
from subscriptions import messages
from subscriptions.lifecycle import remind_due
from subscriptions.messages import claim_batch, send_due_messages
from subscriptions.models import Reminder, Subscription
from tests.accounts.test_sms import gateway  # noqa: F401
from tests.factories import CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(gateway, settings):  # noqa: F811
    """Return a function that makes one reminder of a customer, by the job that writes them."""
    settings.SMS_REMINDER_TEMPLATE_ID = "flow-of-reminders"
    settings.EMAIL_HOST = "mail.example"

    def make(email: str = "asha@example.com") -> Reminder:
        plan = PlanFactory()
        add_account(plan)
        user = CustomerFactory(email=email)
        give_money(user, 199_00)
        subscription = buy(user, plan).subscription
        Subscription.objects.filter(pk=subscription.pk).update(
            ends_at=clock.now() + timedelta(days=2),
            delivered_at=clock.now() - timedelta(days=28),
        )
        remind_due()
        return Reminder.objects.get(subscription=subscription)

    return make


def make_due() -> None:
    Reminder.objects.update(next_attempt_at=timezone.now(), claimed_until=None)


def test_it_leaves_once_by_both_ways_and_not_from_the_job_that_wrote_it(told, gateway):  # noqa: F811
    reminder = told()
    assert (reminder.state, reminder.channels) == ("pending", "sms,email")
    assert (gateway.asked, mail.outbox) == ([], [])
    send_due_messages()
    send_due_messages()
    ((_path, _key, body),) = gateway.asked
    assert body["template_id"] == "flow-of-reminders"
    assert body["recipients"] == [
        {"mobiles": reminder.user.phone.removeprefix("+"), "text": reminder.title}
    ]
    (letter,) = mail.outbox
    assert (letter.to, letter.subject) == (["asha@example.com"], reminder.title)
    assert f"/subscriptions/{reminder.subscription_id}/" in letter.body
    reminder.refresh_from_db()
    assert (reminder.state, reminder.channels, reminder.claimed_until) == ("done", "", None)


def test_without_gateways_nothing_waits(told, settings):
    settings.SMS_REMINDER_TEMPLATE_ID = settings.EMAIL_HOST = ""
    reminder = told()
    assert (reminder.state, reminder.channels) == ("done", "")
    assert claim_batch() == []


def test_who_gave_no_address_gets_no_mail(told):
    assert told(email="").channels == "sms"


def test_a_gateway_that_is_down_is_tried_again_and_the_mail_not_repeated(told, gateway):  # noqa: F811
    reminder = told()
    gateway.answer = (500, b"down")
    send_due_messages()
    reminder.refresh_from_db()
    assert (reminder.state, reminder.channels, reminder.attempts) == ("pending", "sms", 1)
    assert reminder.last_error == "sms: SmsError"
    assert reminder.next_attempt_at > timezone.now()
    make_due()
    gateway.answer = (200, b'{"type": "success"}')
    send_due_messages()
    reminder.refresh_from_db()
    assert reminder.state == "done"
    assert (len(mail.outbox), len(gateway.asked)) == (1, 2)


def test_it_is_given_up_in_the_end(told, gateway, monkeypatch):  # noqa: F811
    monkeypatch.setattr(messages, "MOST_ATTEMPTS", 2)
    reminder = told(email="")
    gateway.answer = (500, b"down")
    for _unused in range(3):
        make_due()
        send_due_messages()
    reminder.refresh_from_db()
    assert (reminder.state, reminder.attempts, len(gateway.asked)) == ("failed", 2, 2)
    Reminder.objects.update(
        state="pending",
        created_at=timezone.now() - timedelta(hours=25),
        next_attempt_at=timezone.now(),
    )
    send_due_messages()
    reminder.refresh_from_db()
    assert (reminder.state, len(gateway.asked)) == ("failed", 2)


def test_one_that_breaks_counts_as_a_try_and_does_not_hold_up_the_others(
    told,
    gateway,  # noqa: F811
    monkeypatch,
):
    broken, whole = told(email=""), told(email="")
    real = messages.send_sms_reminder

    def fussy(*, phone, text):
        if phone == broken.user.phone:
            # No error of the gateway but a fault of our own.
            raise LookupError("broken")
        real(phone=phone, text=text)

    monkeypatch.setattr(messages, "send_sms_reminder", fussy)
    send_due_messages()
    broken.refresh_from_db()
    whole.refresh_from_db()
    assert (broken.state, broken.attempts, broken.claimed_until) == ("pending", 1, None)
    assert broken.last_error == "sms: LookupError"
    assert broken.next_attempt_at > timezone.now()
    assert (whole.state, len(gateway.asked)) == ("done", 1)


def test_a_claim_is_one_workers_until_its_lease_ends(told):
    told()
    assert len(claim_batch()) == 1
    assert claim_batch() == []
    Reminder.objects.update(claimed_until=timezone.now())
    assert len(claim_batch()) == 1

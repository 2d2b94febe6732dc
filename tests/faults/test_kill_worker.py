"""A worker killed at any command: an end is whole or absent, an alert is never lost."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from notifications.models import Notification
from orders.books import check_books
from ottsonly import clock
from subscriptions.lifecycle import expire_due
from subscriptions.models import Credential, Reminder, Subscription
from telegram_alerts import delivery
from telegram_alerts.models import Alert
from tests.factories import CustomerFactory, PlanFactory, add_account, buy, give_money
from tests.faults.victims import Victims
from tests.telegram_alerts.conftest import make_alerts, telegram  # noqa: F401
from tests.telegram_alerts.fake_bot_api import CHAT_ID, TOKEN

pytestmark = pytest.mark.crash
EXPIRE = "tests.faults.jobs.expire_one_by_one"
DELIVER = "tests.faults.jobs.deliver"


def _over(plan) -> Subscription:
    """A subscription with a seat whose time is over."""
    user = CustomerFactory()
    give_money(user, 199_00)
    subscription = buy(user, plan).subscription
    ends_at = clock.now() - timedelta(days=1)
    begun = ends_at - timedelta(days=30)
    subscription.orders.update(period_start=begun, period_end=ends_at)
    Subscription.objects.filter(pk=subscription.pk).update(ends_at=ends_at, delivered_at=begun)
    return subscription


def _seen(subscription) -> tuple[str, bool, int, int]:
    state, holds_seat = Subscription.objects.values_list("state", "holds_seat").get(
        pk=subscription.pk
    )
    return (
        state,
        holds_seat,
        Reminder.objects.filter(subscription=subscription, kind="ended").count(),
        Notification.objects.filter(
            user_id=subscription.user_id, title__endswith="has ended"
        ).count(),
    )


def test_an_end_killed_at_any_command_is_whole_or_absent(transactional_db):
    plan = PlanFactory(stock=200, rotate_after_seat=False)
    account = add_account(plan, seats=200)
    with Victims() as victims:
        for _unused in range(2):
            _over(plan)
        output, commands = victims.run(EXPIRE)
        assert output == "done"
        assert 15 < commands < 40
        counts: Counter[int] = Counter()
        for kill in victims.kills():
            both = [_over(plan) for _unused in range(2)]
            output, _count = victims.run(EXPIRE, **kill)
            assert output == ""
            found = [_seen(item) for item in both]
            whole = [item == ("expired", False, 1, 1) for item in found]
            absent = [item == ("active", True, 0, 0) for item in found]
            assert all(a or b for a, b in zip(whole, absent, strict=True)), found
            counts[sum(whole)] += 1
            held = Subscription.objects.filter(holds_seat=True).count()
            assert Credential.objects.get(pk=account.pk).seats_used == held
            expire_due()
            assert [_seen(item) for item in both] == [("expired", False, 1, 1)] * 2
    # None ended, one of two, and both: the kills came before, between and after.
    assert set(counts) == {0, 1, 2}
    assert list(check_books()) == []


def test_a_batch_of_alerts_killed_at_any_command_loses_none(
    transactional_db,
    telegram,  # noqa: F811
    make_alerts,  # noqa: F811
):
    environment = {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": CHAT_ID,
        "TELEGRAM_BASE_URL": telegram.base_url,
    }
    doubled = 0
    with Victims(environment) as victims:
        make_alerts(5)
        output, commands = victims.run(DELIVER)
        assert (output, len(telegram.delivered)) == ("done", 5)
        assert 8 < commands < 30
        for kill_at in range(1, commands + 1):
            for after_reply in (False, True):
                Alert.objects.all().delete()
                telegram.delivered.clear()
                make_alerts(5)
                output, _count = victims.run(DELIVER, kill_at=kill_at, after_reply=after_reply)
                assert output == ""
                # Until the lease ends, nobody touches what the dead worker had claimed.
                claimed = Alert.objects.filter(state="pending", claimed_until__isnull=False)
                left = claimed.count()
                delivery.deliver_due()
                assert claimed.count() == left
                claimed.update(claimed_until=timezone.now())
                delivery.deliver_due()
                assert set(Alert.objects.values_list("state", flat=True)) == {"sent"}
                arrived = Counter(telegram.delivered)
                assert len(arrived) == 5
                assert max(arrived.values()) <= 2
                more = len(telegram.delivered) - 5
                assert more <= delivery.AT_ONCE
                doubled += more
    # A kill between Telegram's reply and our record cannot but repeat, and some kills were there.
    assert doubled > 0

"""Ends and reminders by the clock, also after days in which no worker ran."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection

from notifications.models import Notification
from orders.books import check_books
from ottsonly import clock
from subscriptions import lifecycle
from subscriptions.lifecycle import expire, expire_due, remind_due
from subscriptions.models import Reminder, Subscription
from subscriptions.services import extend_subscription
from tests.factories import CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def running(user=None, *, plan=None, days=30, seats=1) -> Subscription:
    """A delivered subscription of a customer with a seat of an account of its own."""
    user = user or CustomerFactory()
    plan = plan or PlanFactory(duration_days=days)
    add_account(plan, seats=seats)
    give_money(user, 500_00)
    return buy(user, plan).subscription


def end(subscription: Subscription, ends_at) -> Subscription:
    """Let it end at `ends_at`, as if it had begun so much earlier."""
    begun = ends_at - subscription.paid_days * DAY
    subscription.orders.update(period_start=begun, period_end=ends_at)
    Subscription.objects.filter(pk=subscription.pk).update(ends_at=ends_at, delivered_at=begun)
    subscription.refresh_from_db()
    return subscription


def told(subscription: Subscription) -> list[str]:
    rows = Reminder.objects.filter(subscription=subscription).order_by("pk")
    return list(rows.values_list("kind", flat=True))


def test_it_ends_at_its_time_and_not_a_millisecond_before():
    subscription = running()
    at = subscription.ends_at
    with time_machine.travel(at - timedelta(milliseconds=1), tick=False) as moment:
        expire_due()
        subscription.refresh_from_db()
        assert subscription.state == "active"
        moment.move_to(at)
        expire_due()
        expire_due()
    subscription.refresh_from_db()
    account = subscription.credential
    assert (subscription.state, subscription.holds_seat) == ("expired", False)
    assert (account.seats_used, account.state, account.rotation_due) == (0, "available", True)
    assert told(subscription) == ["ended"]
    notice = Notification.objects.get(title__endswith="has ended")
    assert (notice.user_id, notice.kind) == (subscription.user_id, "subscription")
    assert notice.link == f"/renew/{subscription.pk}/"


def test_what_was_not_delivered_never_ends(customer):
    give_money(customer, 500_00)
    subscription = buy(customer, PlanFactory(delivery="manual")).subscription
    with time_machine.travel(subscription.ends_at + 90 * DAY):
        expire_due()
    subscription.refresh_from_db()
    assert subscription.state == "active"


def test_after_days_without_a_worker_all_end_once_the_longest_over_first(monkeypatch):
    monkeypatch.setattr(lifecycle, "BATCH", 2)
    monkeypatch.setattr(lifecycle, "LIST", 4)
    now = clock.now()
    late = [end(running(), now - number * DAY) for number in (1, 4, 2, 5, 3, 6)]
    future = end(running(), now + DAY)
    for _unused in range(2):
        expire_due()
    order = Reminder.objects.filter(kind="ended").order_by("pk")
    by_end = sorted(late, key=lambda item: item.ends_at)
    assert list(order.values_list("subscription_id", flat=True)) == [item.pk for item in by_end]
    assert Notification.objects.filter(title__endswith="has ended").count() == 6
    assert Subscription.objects.get(state="active").pk == future.pk
    assert list(check_books()) == []


def test_seats_of_one_account_are_given_back_together_and_by_the_plans_own_rule():
    plan = PlanFactory(rotate_after_seat=False)
    account = add_account(plan, seats=3)
    now = clock.now()
    for _unused in range(3):
        user = CustomerFactory()
        give_money(user, 500_00)
        end(buy(user, plan).subscription, now - DAY)
    other = end(running(), now - DAY)
    account.refresh_from_db()
    assert (account.seats_used, account.state) == (3, "full")
    expire_due()
    account.refresh_from_db()
    assert (account.seats_used, account.state, account.rotation_due) == (0, "available", False)
    other.credential.refresh_from_db()
    assert other.credential.rotation_due is True
    assert list(check_books()) == []


def test_a_retired_account_stays_retired():
    subscription = end(running(), clock.now() - DAY)
    type(subscription.credential).objects.filter(pk=subscription.credential_id).update(
        state="retired"
    )
    expire_due()
    subscription.credential.refresh_from_db()
    assert (subscription.credential.state, subscription.credential.seats_used) == ("retired", 0)


def test_the_number_of_commands_does_not_grow_with_the_batch(commands):
    counts = []
    for size in (2, 6):
        items = [end(running(), clock.now() - DAY) for _unused in range(size)]
        commands.clear()
        assert expire([item.pk for item in items]) == size
        counts.append(len(commands))
    assert counts[0] == counts[1]


def test_an_extension_at_the_same_moment_wins_or_the_end_does(monkeypatch):
    """The extension commits between the reading of the batch and its writing."""
    subscription = end(running(), clock.now() - timedelta(seconds=1))
    real, done = lifecycle._free_seats, []

    def after_reading(ids):
        if not done:
            done.append(1)
            worker = threading.Thread(target=longer)
            worker.start()
            worker.join(timeout=60)
        real(ids)

    outcome = []

    def longer():
        try:
            extend_subscription(subscription=subscription, days=3, reason="", actor=None, key="k")
            outcome.append("extended")
        except Exception as error:
            outcome.append(type(error).__name__)
        finally:
            connection.close()

    monkeypatch.setattr(lifecycle, "_free_seats", after_reading)
    ended = expire([subscription.pk])
    subscription.refresh_from_db()
    assert (ended, subscription.state, outcome) in [
        (1, "expired", ["DatabaseError"]),
        (1, "expired", ["ExtensionRefused"]),
        (0, "active", ["extended"]),
    ]
    assert list(check_books()) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("workers", [2, 8])
def test_workers_at_once_end_each_once(monkeypatch, workers):
    monkeypatch.setattr(lifecycle, "BATCH", 3)
    plan = PlanFactory(stock=50)
    items = [end(running(plan=plan), clock.now() - DAY) for _unused in range(12)]
    barrier = threading.Barrier(workers)

    def work():
        try:
            barrier.wait(timeout=30)
            expire_due()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _unused in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert Subscription.objects.filter(state="expired").count() == 12
    assert [told(item) for item in items] == [["ended"]] * 12
    assert Notification.objects.filter(title__endswith="has ended").count() == 12
    assert list(check_books()) == []


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (7.01, []),
        (7, ["days_7"]),
        (3.01, ["days_7"]),
        (3, ["days_3"]),
        (1.01, ["days_3"]),
        (1, ["days_1"]),
        (0.01, ["days_1"]),
        (-0.01, []),
    ],
)
def test_a_reminder_is_due_in_its_window_only(left, expected):
    now = clock.now()
    subscription = end(running(), now + left * DAY)
    with time_machine.travel(now, tick=False):
        remind_due()
        remind_due()
    assert told(subscription) == expected
    notices = Notification.objects.filter(title__contains=" ends on ")
    assert notices.count() == len(expected)


def test_each_is_told_once_through_the_whole_life_and_what_was_missed_is_not_made_up_for():
    subscription = running(days=30)
    start, at = subscription.delivered_at, subscription.ends_at
    with time_machine.travel(start, tick=False) as moment:
        for hour in range(0, 32 * 24, 8):
            # No worker from 8 until 2 days before the end.
            if not 22 * 24 < hour < 28 * 24:
                moment.move_to(start + timedelta(hours=hour))
                expire_due()
                remind_due()
    assert told(subscription) == ["days_3", "days_1", "ended"]
    subscription.refresh_from_db()
    assert subscription.ends_at == at


def test_short_plans_are_not_reminded_of_more_days_than_they_have():
    subscription = running(days=3)
    with time_machine.travel(subscription.delivered_at + timedelta(seconds=5), tick=False):
        remind_due()
    assert told(subscription) == []
    with time_machine.travel(subscription.ends_at - timedelta(hours=5), tick=False):
        remind_due()
    assert told(subscription) == ["days_1"]


def test_a_new_end_is_told_of_anew():
    now = clock.now()
    subscription = end(running(), now + 2 * DAY)
    remind_due()
    end(subscription, now + 2.5 * DAY)
    remind_due()
    assert told(subscription) == ["days_3", "days_3"]


def test_windows_are_read_in_batches_without_loss(monkeypatch):
    monkeypatch.setattr(lifecycle, "BATCH", 2)
    at = clock.now() + 2 * DAY
    items = [end(running(), at) for _unused in range(5)]
    items.append(end(running(), at + timedelta(hours=1)))
    remind_due()
    assert [told(item) for item in items] == [["days_3"]] * 6


def test_the_soonest_ends_are_told_first(monkeypatch):
    monkeypatch.setattr(lifecycle, "BATCH", 1)
    now = clock.now()
    items = [end(running(), now + days * DAY) for days in (2.5, 1.5, 2)]
    remind_due()
    told_in_order = Reminder.objects.order_by("pk").values_list("subscription_id", flat=True)
    assert list(told_in_order) == [items[1].pk, items[2].pk, items[0].pk]


def test_one_that_cannot_be_told_does_not_silence_the_others(monkeypatch):
    items = [end(running(), clock.now() + days * DAY) for days in (1.5, 2, 2.5)]
    real = lifecycle._ends_soon

    def fragile(item, kind):
        if item.pk == items[0].pk:
            raise LookupError("broken")
        return real(item, kind)

    monkeypatch.setattr(lifecycle, "_ends_soon", fragile)
    remind_due()
    assert [told(item) for item in items] == [[], ["days_3"], ["days_3"]]
    monkeypatch.undo()
    remind_due()
    assert [told(item) for item in items] == [["days_3"]] * 3


def test_a_reminder_written_by_another_worker_meanwhile_is_not_doubled(monkeypatch):
    items = [end(running(), clock.now() + 2 * DAY) for _unused in range(2)]
    real, rivals = lifecycle._known, []

    def after_reading(found):
        known = real(found)
        if not rivals:
            rivals.append(1)
            worker = threading.Thread(target=rival)
            worker.start()
            worker.join(timeout=60)
        return known

    def rival():
        try:
            lifecycle.write_reminder(
                subscription=items[0], kind="days_3", title=f"{items[0]} ends on x", body=""
            )
        finally:
            connection.close()

    monkeypatch.setattr(lifecycle, "_known", after_reading)
    remind_due()
    assert [told(item) for item in items] == [["days_3"]] * 2
    assert Notification.objects.filter(title__contains=" ends on ").count() == 2


def test_a_listener_that_fails_takes_the_end_back(monkeypatch):
    subscription = end(running(), clock.now() - DAY)
    monkeypatch.setattr(Notification.objects, "bulk_create", lambda rows: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        expire_due()
    subscription.refresh_from_db()
    assert (subscription.state, subscription.holds_seat) == ("active", True)
    assert subscription.credential.seats_used == 1
    assert told(subscription) == []


def test_one_that_cannot_be_ended_does_not_hold_up_the_others(monkeypatch):
    monkeypatch.setattr(lifecycle, "BATCH", 2)
    monkeypatch.setattr(lifecycle, "LIST", 2)
    now = clock.now()
    broken, *others = [end(running(), now - number * DAY) for number in (4, 3, 2, 1)]
    real = lifecycle._ended

    def fragile(item):
        if item.pk == broken.pk:
            raise LookupError("broken")
        return real(item)

    monkeypatch.setattr(lifecycle, "_ended", fragile)
    expire_due()
    assert [told(item) for item in (broken, *others)] == [[], *[["ended"]] * 3]
    # Alone it is all that there is to do: the job fails, so that somebody is told.
    with pytest.raises(LookupError):
        expire_due()
    broken.refresh_from_db()
    assert (broken.state, broken.holds_seat) == ("active", True)
    monkeypatch.undo()
    expire_due()
    assert told(broken) == ["ended"]
    assert list(check_books()) == []


def test_the_page_says_it_is_over_before_any_worker_came(client_for):
    subscription = running()
    with time_machine.travel(subscription.ends_at + timedelta(seconds=1)):
        client = client_for(subscription.user)
        page = client.get(subscription.get_absolute_url()).content.decode()
    assert "Show the login" not in page

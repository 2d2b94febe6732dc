"""One notice for many: who gets it, that nobody gets it twice, and that it can be stopped."""

import threading
from datetime import timedelta

import pytest
from bson.errors import InvalidId
from django.db import IntegrityError, connection
from django.utils import timezone

from notifications import broadcasts
from notifications.broadcasts import (
    count_audience,
    read_count,
    send_broadcasts,
    start_broadcast,
    stop_broadcast,
)
from notifications.errors import BroadcastRefused
from notifications.models import Broadcast, Notification
from orders.refunds import refund_order
from ottsonly import jobs
from ottsonly.models import AuditEvent
from subscriptions.models import Subscription
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money
from tests.rival import rival_before

pytestmark = pytest.mark.django_db


def draft(audience="all", **fields):
    return Broadcast.objects.create(
        audience=audience,
        title="Diwali",
        body="Ten days more",
        link="/plans/",
        actor=AdminFactory(),
        **fields,
    )


def start(broadcast, expected_count=None):
    start_broadcast(broadcast=broadcast, actor=broadcast.actor, expected_count=expected_count)
    broadcast.refresh_from_db()


def got(broadcast):
    return sorted(
        Notification.objects.filter(broadcast=broadcast).values_list("user_id", flat=True)
    )


def keys(*users):
    return sorted(user.pk for user in users)


@pytest.fixture
def crowd(monkeypatch):
    """Twelve customers, in batches of five."""
    monkeypatch.setattr(broadcasts, "BATCH_SIZE", 5)
    return [CustomerFactory() for _unused in range(12)]


def owner_of(plan, **changes):
    user = CustomerFactory()
    give_money(user, 500_00)
    subscription = buy(user, plan).subscription
    Subscription.objects.filter(pk=subscription.pk).update(**changes)
    return user


def test_all_customers_get_it_and_nobody_else(crowd):
    CustomerFactory(is_active=False)
    broadcast = draft()
    assert count_audience(broadcast) == (12, True)
    start(broadcast, 12)
    CustomerFactory(created_at=timezone.now() + timedelta(seconds=5))
    send_broadcasts()
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.sent_count) == ("sent", 12)
    assert got(broadcast) == keys(*crowd)
    notice = Notification.objects.filter(broadcast=broadcast).first()
    assert (notice.kind, notice.title, notice.body, notice.link) == (
        "notice",
        "Diwali",
        "Ten days more",
        "/plans/",
    )


def test_each_audience_is_who_it_says():
    now = timezone.now()
    plan, other = PlanFactory(stock=20), PlanFactory(stock=20)
    add_account(plan, seats=9)
    add_account(other, seats=9)
    never = CustomerFactory()
    runs, elsewhere = owner_of(plan), owner_of(other)
    waits = owner_of(PlanFactory())
    lately = owner_of(plan, state="expired", ends_at=now - timedelta(days=3))
    # Over by the clock, although no worker has said so yet.
    over = owner_of(plan, ends_at=now - timedelta(hours=1))
    long_ago = owner_of(plan, state="expired", ends_at=now - timedelta(days=31))
    back = owner_of(plan, state="expired", ends_at=now - timedelta(days=3))
    give_money(back, 500_00)
    buy(back, other)
    refunded = owner_of(other)
    refund_order(order=refunded.orders.get(), amount_paise=199_00, reason="x", actor=None, key="r")
    expected = {
        "all": [never, runs, elsewhere, waits, lately, over, long_ago, back, refunded],
        "active": [runs, elsewhere, waits, back],
        "expired": [lately, over],
        "never_bought": [never],
        "platform": [runs],
        "one": [lately],
    }
    for audience, users in expected.items():
        broadcast = draft(audience, days=30, platform=plan.platform, customer=lately)
        assert count_audience(broadcast) == (len(users), True), audience
        start(broadcast)
        send_broadcasts()
        assert got(broadcast) == keys(*users), audience


def test_a_kill_between_two_batches_neither_doubles_nor_skips(crowd, monkeypatch):
    broadcast = draft()
    start(broadcast)
    allowed = iter([False])
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "may_continue", lambda: next(allowed))
        send_broadcasts()
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.sent_count, len(got(broadcast))) == ("sending", 5, 5)

    def die(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Notification.objects, "bulk_create", die)
        with pytest.raises(KeyboardInterrupt):
            send_broadcasts()
    assert len(got(broadcast)) == 5
    send_broadcasts()
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.sent_count) == ("sent", 12)
    assert got(broadcast) == keys(*crowd)
    send_broadcasts()
    assert len(got(broadcast)) == 12


def test_three_workers_at_once_send_each_notice_once(crowd, transactional_db):
    broadcast = draft()
    start(broadcast)
    errors = []

    def work():
        try:
            send_broadcasts()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _unused in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    send_broadcasts()
    broadcast.refresh_from_db()
    assert got(broadcast) == keys(*crowd)
    assert (broadcast.state, broadcast.sent_count) == ("sent", 12)


def test_the_index_refuses_a_second_notice_of_one_broadcast(customer):
    broadcast = draft()
    for other in (broadcast, draft(), None, None):
        Notification.objects.create(user=customer, kind="notice", title="x", broadcast=other)
    with pytest.raises(IntegrityError):
        Notification.objects.create(user=customer, kind="notice", title="x", broadcast=broadcast)
    assert Notification.objects.count() == 4


def test_stopping_leaves_out_who_has_not_got_it(crowd, monkeypatch):
    broadcast = draft()
    with pytest.raises(BroadcastRefused):
        stop_broadcast(broadcast=broadcast, actor=None)
    start(broadcast)
    allowed = iter([False])
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "may_continue", lambda: next(allowed))
        send_broadcasts()
    stop_broadcast(broadcast=broadcast, actor=broadcast.actor)
    send_broadcasts()
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.sent_count, len(got(broadcast))) == ("stopped", 5, 5)
    with pytest.raises(BroadcastRefused):
        start(broadcast)
    events = AuditEvent.objects.filter(object_id=str(broadcast.pk)).order_by("pk")
    assert [(event.action, event.after.get("sent")) for event in events] == [
        ("broadcast.send", None),
        ("broadcast.stop", 5),
    ]


def test_a_stop_just_before_a_batch_is_written_wins(crowd):
    broadcast = draft()
    start(broadcast)

    def stop():
        stop_broadcast(broadcast=broadcast, actor=broadcast.actor)
        return "stopped"

    with rival_before("update", "broadcasts", stop) as rival:
        send_broadcasts()
    assert rival.results == ["stopped"]
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.sent_count, got(broadcast)) == ("stopped", 0, [])


def test_starting_twice_sends_once(crowd):
    broadcast = draft()
    for _unused in range(2):
        start(broadcast, 12)
        send_broadcasts()
    assert len(got(broadcast)) == 12
    assert AuditEvent.objects.filter(action="broadcast.send").count() == 1


def test_reading_is_counted_up_to_a_limit(crowd, client_for):
    broadcast = draft()
    start(broadcast)
    send_broadcasts()
    assert read_count(broadcast, 100) == 0
    for user in crowd[:3]:
        client_for(user).post("/notifications/read/")
    assert (read_count(broadcast, 100), read_count(broadcast, 2)) == (3, 3)
    assert read_count(draft(), 100) == 0


def test_counting_stops_when_it_takes_too_long(crowd):
    assert count_audience(draft(), seconds=0) == (5, False)


def test_what_the_receivers_write_belongs_to_no_broadcast(customer):
    give_money(customer, 500_00)
    buy(customer, PlanFactory())
    assert list(Notification.objects.values_list("broadcast", flat=True)) == [None]


def test_customers_are_looked_through_along_one_index_whatever_the_cursor(crowd):
    for cursor in ("", str(crowd[3].pk)):
        found = list(broadcasts._customers_after(cursor))
        assert found == crowd[4 if cursor else 0 :]
        plan = broadcasts._customers_after(cursor)[:5].explain()
        assert "users_by_role_and_id" in plan and '"SORT"' not in plan


def test_one_customer_who_left_meanwhile_is_told_nothing(customer):
    broadcast = draft("one", customer=customer)
    assert count_audience(broadcast) == (1, True)
    start(broadcast, 1)
    type(customer).objects.filter(pk=customer.pk).update(is_active=False)
    send_broadcasts()
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.sent_count, got(broadcast)) == ("sent", 0, [])


def test_one_that_cannot_be_sent_does_not_hold_up_the_next(crowd):
    broken, good = draft("active"), draft()
    Broadcast.objects.filter(pk=broken.pk).update(cursor="no key")
    start(broken)
    start(good)
    # The job fails, so that somebody is told.
    with pytest.raises(InvalidId):
        send_broadcasts()
    broken.refresh_from_db()
    good.refresh_from_db()
    assert (broken.state, good.state, good.sent_count) == ("sending", "sent", 12)

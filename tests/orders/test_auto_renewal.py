"""Automatic renewal: announced, tried on three days, never twice, never at a silent price."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection

from notifications.models import Notification
from orders import auto_renewal
from orders.auto_renewal import renew_automatically, renew_due
from orders.books import check_books
from orders.models import Order
from orders.quotes import quote_for, read_quote
from orders.refunds import refund_order
from orders.services import renew
from subscriptions.errors import AutoRenewRefused
from subscriptions.lifecycle import expire_due, remind_due, set_auto_renew
from subscriptions.models import Reminder, Subscription
from tests.factories import CustomerFactory, PlanFactory, add_account, buy, give_money
from wallet.services import balance_of

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def running(customer):
    """A subscription of 30 days at ₹199 that renews by itself, with ₹300 left in the wallet."""
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 499_00)
    subscription = buy(customer, plan).subscription
    set_auto_renew(subscription=subscription, user=customer, is_on=True, shown_paise=199_00)
    subscription.refresh_from_db()
    return subscription


def jobs() -> None:
    """What the worker runs, in its order."""
    expire_due()
    renew_due()
    remind_due()


def live(start, end, *, step=8 * HOUR, without=()) -> None:
    """Let a worker run from `start` to `end`, but for the times in the (from, to) of `without`."""
    with time_machine.travel(start, tick=False) as moment:
        while start <= end:
            if not any(low < start < high for low, high in without):
                moment.move_to(start)
                jobs()
            start += step


def told(subscription) -> list[str]:
    rows = Reminder.objects.filter(subscription=subscription).order_by("pk")
    return list(rows.values_list("kind", flat=True))


def renewals(subscription) -> int:
    return Order.objects.filter(subscription=subscription, kind="renewal").count()


def test_it_is_announced_and_renewed_once_three_days_before(running):
    at = running.ends_at
    live(at - 8 * DAY, at - 3 * DAY - HOUR)
    assert renewals(running) == 0
    announced = Reminder.objects.get(kind="renewal")
    assert (announced.amount_paise, announced.days) == (199_00, 30)
    assert announced.created_at >= at - 7 * DAY
    assert "₹199" in Notification.objects.get(title__contains="renews for").title
    live(at - 3 * DAY, at + DAY)
    running.refresh_from_db()
    assert renewals(running) == 1
    assert (running.ends_at, running.state, running.holds_seat) == (at + 30 * DAY, "active", True)
    assert balance_of(running.user_id) == 101_00
    assert told(running) == ["consent", "renewal"]
    assert list(check_books()) == []


def test_a_short_wallet_is_tried_on_three_days_and_told_each_time(running, customer):
    at = running.ends_at
    give_money(customer, -200_00)
    live(at - 8 * DAY, at + DAY)
    running.refresh_from_db()
    assert told(running) == ["consent", "renewal", "short_3", "short_2", "short_1", "ended"]
    assert (renewals(running), balance_of(customer.pk)) == (0, 100_00)
    titles = Notification.objects.filter(title__contains="is short of ₹99")
    assert titles.count() == 3
    assert running.state == "expired"


def test_money_that_comes_in_time_renews_on_the_next_day(running, customer):
    at = running.ends_at
    give_money(customer, -200_00)
    live(at - 4 * DAY, at - 2 * DAY - HOUR)
    assert (told(running)[-1], renewals(running)) == ("short_3", 0)
    give_money(customer, 99_00)
    live(at - 2 * DAY, at - DAY)
    assert (renewals(running), balance_of(customer.pk)) == (1, 0)
    assert Subscription.objects.get().ends_at == at + 30 * DAY


def test_a_worker_that_was_down_through_the_end_charges_nothing_afterwards(running):
    at = running.ends_at
    live(at - 8 * DAY, at + 2 * DAY, without=[(at - 4 * DAY, at + DAY)])
    running.refresh_from_db()
    assert (running.state, renewals(running)) == ("expired", 0)
    assert balance_of(running.user_id) == 300_00
    assert told(running) == ["consent", "renewal", "ended"]
    notice = Notification.objects.get(title__endswith="has ended")
    assert notice.body.startswith("It was not renewed and nothing was taken.")


def test_a_worker_down_for_five_days_before_renews_on_the_last(running):
    at = running.ends_at
    live(at - 9 * DAY, at + DAY, without=[(at - 5.5 * DAY, at - 0.5 * DAY)])
    assert renewals(running) == 1
    assert Subscription.objects.get().ends_at == at + 30 * DAY


def test_a_price_that_rose_after_the_announcement_is_told_and_not_charged(running):
    at = running.ends_at
    live(at - 8 * DAY, at - 5 * DAY)
    type(running.plan).objects.update(price_paise=249_00)
    live(at - 5 * DAY, at + DAY)
    assert (renewals(running), balance_of(running.user_id)) == (0, 300_00)
    assert told(running) == [
        *("consent", "renewal", "not_renewed"),
        *("days_3", "days_1", "ended"),
    ]
    notice = Notification.objects.get(title__endswith="will not renew by itself")
    assert notice.body.startswith("It costs ₹249 for 30 days now")


def test_a_price_that_rose_before_the_announcement_is_announced_and_charged(running):
    at = running.ends_at
    type(running.plan).objects.update(price_paise=249_00)
    live(at - 8 * DAY, at - 2 * DAY)
    assert Reminder.objects.get(kind="renewal").amount_paise == 249_00
    assert (renewals(running), balance_of(running.user_id)) == (1, 51_00)


def test_a_lower_price_is_simply_taken(running):
    at = running.ends_at
    live(at - 8 * DAY, at - 5 * DAY)
    type(running.plan).objects.update(price_paise=149_00)
    live(at - 4 * DAY, at - 2 * DAY)
    assert (renewals(running), balance_of(running.user_id)) == (1, 151_00)


def test_fewer_days_for_the_same_money_are_a_higher_price(running):
    at = running.ends_at
    live(at - 8 * DAY, at - 5 * DAY)
    type(running.plan).objects.update(duration_days=28)
    live(at - 4 * DAY, at - 2 * DAY)
    assert (renewals(running), told(running)[-2:]) == (0, ["not_renewed", "days_3"])


def test_a_price_announced_late_is_charged_a_day_later_only(running):
    """No worker until 2 days before the end; the consent was to a lower price."""
    at = running.ends_at
    type(running.plan).objects.update(price_paise=249_00)
    with time_machine.travel(at - 2 * DAY, tick=False) as moment:
        jobs()
        jobs()
        assert (told(running), renewals(running)) == (["consent", "renewal"], 0)
        moment.move_to(at - DAY - timedelta(seconds=1))
        jobs()
        assert renewals(running) == 0
        moment.move_to(at - DAY)
        jobs()
        assert renewals(running) == 1


def test_a_plan_that_is_not_sold_any_more_is_told_once(running):
    at = running.ends_at
    live(at - 8 * DAY, at - 5 * DAY)
    type(running.plan).objects.update(is_active=False)
    live(at - 5 * DAY, at + DAY)
    assert renewals(running) == 0
    assert told(running).count("not_renewed") == 1
    assert told(running)[-1] == "ended"


def test_switched_on_in_the_last_hours_it_is_renewed_by_that_consent(customer):
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 499_00)
    subscription = buy(customer, plan).subscription
    with time_machine.travel(subscription.ends_at - 5 * HOUR, tick=False):
        jobs()
        assert told(subscription) == ["days_1"]
        set_auto_renew(subscription=subscription, user=customer, is_on=True, shown_paise=199_00)
        jobs()
        jobs()
    assert renewals(subscription) == 1


def test_one_that_breaks_does_not_hold_up_those_that_end_later(running, monkeypatch):
    other = CustomerFactory()
    give_money(other, 499_00)
    add_account(running.plan)
    later = buy(other, running.plan).subscription
    set_auto_renew(subscription=later, user=other, is_on=True, shown_paise=199_00)
    Subscription.objects.filter(pk=later.pk).update(ends_at=running.ends_at + HOUR)
    Reminder.objects.filter(subscription=later).update(ends_at=running.ends_at + HOUR)
    real, tried = auto_renewal.renew, []

    def fragile(**terms):
        tried.append(terms["user"].pk)
        if terms["user"].pk == running.user_id:
            raise LookupError("broken")
        return real(**terms)

    monkeypatch.setattr(auto_renewal, "renew", fragile)
    with time_machine.travel(running.ends_at - 2 * DAY, tick=False):
        renew_due()
        assert tried == [running.user_id, other.pk]
        assert (renewals(running), renewals(later)) == (0, 1)
        monkeypatch.undo()
        renew_due()
    assert (renewals(running), renewals(later)) == (1, 1)


def test_a_renewal_that_was_refunded_is_not_repeated_and_the_end_is_told(running):
    at = running.ends_at
    live(at - 8 * DAY, at - 3 * DAY)
    order = Order.objects.get(kind="renewal")
    with time_machine.travel(at - 2.9 * DAY, tick=False):
        refund_order(order=order, amount_paise=199_00, reason="asked", actor=None, key="back")
    running.refresh_from_db()
    assert running.ends_at == at
    live(at - 2.5 * DAY, at + DAY)
    assert (renewals(running), balance_of(running.user_id)) == (1, 300_00)
    assert told(running) == [
        *("consent", "renewal", "not_renewed"),
        *("days_3", "days_1", "ended"),
    ]
    notice = Notification.objects.get(title__endswith="will not renew by itself")
    assert notice.body.startswith("Its renewal was refunded. It ends on ")


def test_switched_off_it_ends(running, customer):
    at = running.ends_at
    live(at - 8 * DAY, at - 5 * DAY)
    set_auto_renew(subscription=running, user=customer, is_on=False)
    live(at - 5 * DAY, at + DAY)
    assert (renewals(running), told(running)[-1]) == (0, "ended")


@pytest.mark.parametrize("act", ["renew", "switch off"])
def test_what_the_customer_does_at_the_same_moment_wins(running, customer, monkeypatch, act):
    """The customer acts after the job has read everything, before it pays."""
    at = running.ends_at
    # Enough for two: it is not the empty wallet that keeps the second from being paid.
    give_money(customer, 1000_00)
    live(at - 8 * DAY, at - 4 * DAY)
    real = auto_renewal.renew

    def first_the_customer(**kwargs):
        monkeypatch.setattr(auto_renewal, "renew", real)
        fresh = Subscription.objects.get()
        if act == "renew":
            quote = quote_for(user=customer, plan=fresh.plan, renews=fresh)
            quote = read_quote(quote, user=customer, plan=fresh.plan, renews=fresh)
            renew(user=customer, quote=quote)
        else:
            set_auto_renew(subscription=fresh, user=customer, is_on=False)
        return real(**kwargs)

    monkeypatch.setattr(auto_renewal, "renew", first_the_customer)
    with time_machine.travel(at - 3 * DAY, tick=False):
        renew_due()
        renew_due()
    expected = {"renew": (1, 1101_00), "switch off": (0, 1300_00)}[act]
    assert (renewals(running), balance_of(customer.pk)) == expected
    assert list(check_books()) == []


@pytest.mark.django_db(transaction=True)
def test_eight_workers_renew_once(running):
    at = running.ends_at
    give_money(running.user, 1000_00)
    subscription = Subscription.objects.select_related("plan__platform", "user").get()
    barrier, done = threading.Barrier(8), []

    def work():
        try:
            barrier.wait(timeout=30)
            done.append(renew_automatically(subscription))
        finally:
            connection.close()

    with time_machine.travel(at - 2 * DAY, tick=True):
        threads = [threading.Thread(target=work) for _unused in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
    assert (len(done), renewals(running)) == (8, 1)
    assert balance_of(running.user_id) == 1101_00
    assert list(check_books()) == []


def test_the_switch_is_the_owners_and_agrees_to_the_price_that_was_shown(
    customer, client_for, running
):
    url = f"/subscriptions/{running.pk}/auto-renew/"
    client = client_for(customer)
    page = client.get(running.get_absolute_url()).content.decode()
    assert "Renews by itself" in page
    page = client.post(url, {"on": "0"}, follow=True).content.decode()
    assert "It does not renew by itself any more." in page
    assert Subscription.objects.get().auto_renew is False
    price = page.split('name="price" value="')[1].split('"')[0]
    stranger = client_for(CustomerFactory())
    assert stranger.post(url, {"on": "1", "price": price}).status_code == 404
    page = client.post(url, {"on": "1", "price": "19900"}, follow=True).content.decode()
    assert "open too long" in page
    assert Subscription.objects.get().auto_renew is False
    type(running.plan).objects.update(price_paise=249_00)
    page = client.post(url, {"on": "1", "price": price}, follow=True).content.decode()
    assert "The price of this plan has changed." in page
    assert Subscription.objects.get().auto_renew is False
    price = page.split('name="price" value="')[1].split('"')[0]
    for _unused in range(2):
        client.post(url, {"on": "1", "price": price})
    assert Subscription.objects.get().auto_renew is True
    assert Reminder.objects.get().amount_paise == 249_00


def test_what_has_ended_cannot_be_switched_on(running, customer):
    with time_machine.travel(running.ends_at, tick=False):
        with pytest.raises(AutoRenewRefused, match="has ended"):
            set_auto_renew(subscription=running, user=customer, is_on=True, shown_paise=199_00)

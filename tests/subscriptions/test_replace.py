"""Another account for a running subscription: no date changes, no seat is lost or doubled."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from notifications.models import Notification
from orders.books import check_books
from ottsonly.models import AuditEvent
from subscriptions.errors import NoSeat, ReplacementRefused
from subscriptions.models import Credential, Subscription
from subscriptions.services import cancel_subscription, replace_credentials, reveal_credentials
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(customer):
    plan = PlanFactory()
    add_account(plan, login="old@example.com")
    give_money(customer, 500_00)
    return buy(customer, plan).subscription


def test_the_customer_sees_the_new_login_and_keeps_the_dates(customer, running):
    new = add_account(running.plan, login="new@example.com")
    stored = Subscription.objects.get()
    dates = (stored.ends_at, stored.delivered_at)
    replace_credentials(subscription=running, reason="does not work", actor=AdminFactory())
    fresh = Subscription.objects.select_related("credential").get()
    assert fresh.credential_id == new.pk
    assert (fresh.ends_at, fresh.delivered_at) == dates
    old = Credential.objects.get(pk=running.credential_id)
    assert (old.seats_used, old.rotation_due, old.state) == (0, True, "available")
    shown = reveal_credentials(subscription=fresh, user=customer, ip="127.0.0.1")
    assert shown["login"] == "new@example.com"
    assert Notification.objects.filter(title__contains="has a new login").count() == 1
    event = AuditEvent.objects.get(action="subscription.replace")
    assert event.after == {"credential": str(new.pk), "reason": "does not work", "burned": False}
    assert list(check_books()) == []


def test_a_burned_account_is_given_to_nobody_again(running):
    add_account(running.plan)
    replace_credentials(subscription=running, reason="banned", actor=None, burn=True)
    old = Credential.objects.get(pk=running.credential_id)
    assert (old.state, old.seats_used) == ("retired", 0)
    assert list(check_books()) == []


def test_without_another_seat_nothing_changes(running):
    with pytest.raises(NoSeat):
        replace_credentials(subscription=running, reason="x", actor=None)
    fresh = Subscription.objects.get()
    assert (fresh.credential_id, fresh.holds_seat) == (running.credential_id, True)
    assert Credential.objects.get().seats_used == 1


def test_an_account_of_another_plan_or_the_same_one_is_refused(running):
    other = add_account(PlanFactory())
    for credential in (other, running.credential):
        with pytest.raises(ReplacementRefused):
            replace_credentials(subscription=running, reason="x", actor=None, credential=credential)
    other.refresh_from_db()
    assert other.seats_used == 0


def test_what_has_ended_gets_no_other_account(running):
    add_account(running.plan)
    cancel_subscription(subscription=running, reason="x", actor=None)
    with pytest.raises(ReplacementRefused):
        replace_credentials(subscription=running, reason="x", actor=None)
    assert Credential.objects.filter(seats_used__gt=0).count() == 0


def test_two_replacements_for_one_free_seat_give_it_once(customer, transactional_db):
    plan = PlanFactory()
    account = add_account(plan, seats=2)
    subscriptions = []
    for user in (customer, CustomerFactory()):
        give_money(user, 500_00)
        subscriptions.append(buy(user, plan).subscription)
    spare = add_account(plan, seats=1)

    def once(subscription):
        try:
            replace_credentials(subscription=subscription, reason="x", actor=None)
            return "moved"
        except NoSeat:
            return "no seat"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(once, subscriptions)) == ["moved", "no seat"]
    spare.refresh_from_db()
    account.refresh_from_db()
    assert (spare.seats_used, account.seats_used) == (1, 1)
    assert list(check_books()) == []

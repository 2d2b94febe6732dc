"""Invitations marked as sent too early: no date moves back, no paid day is lost."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from notifications.models import Notification
from orders.books import check_books
from orders.services import deliver
from ottsonly.models import AuditEvent
from subscriptions.errors import InvitationRefused
from subscriptions.invitations import send_invitation_again, undo_invitation
from subscriptions.models import Extension, Subscription
from subscriptions.services import cancel_subscription
from tests.factories import AdminFactory, PlanFactory, buy, give_money

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)


@pytest.fixture
def clock():
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def invited(customer, clock):
    plan = PlanFactory(delivery="customer_email")
    give_money(customer, 500_00)
    order = buy(customer, plan, customer_email="asha@example.com")
    deliver(order=order, actor=AdminFactory())
    return Subscription.objects.get()


def stored():
    return Subscription.objects.get()


def test_an_undone_invitation_is_told_and_its_lost_days_come_back(invited, clock, client_for):
    admin = AdminFactory()
    undo_invitation(subscription=invited, note="wrong address", actor=admin)
    fresh = stored()
    assert (fresh.delivered_at, fresh.ends_at) == (invited.delivered_at, invited.ends_at)
    assert list(Subscription.objects.to_invite_again()) == [fresh]
    page = client_for(invited.user).get(invited.get_absolute_url()).content.decode()
    assert "We are inviting asha@example.com once more." in page
    assert "we sent the invitation" not in page
    clock.shift(timedelta(days=2, hours=1))
    assert send_invitation_again(subscription=invited, note="sent", actor=admin) == 3
    fresh = stored()
    assert fresh.delivered_at == invited.delivered_at
    assert fresh.ends_at == invited.ends_at + timedelta(days=3)
    assert fresh.invited_at == NOON + timedelta(days=2, hours=1)
    assert Extension.objects.get().days == 3
    assert list(Subscription.objects.to_invite_again()) == []
    titles = set(Notification.objects.values_list("title", flat=True))
    assert f"{invited}: your invitation was not sent" in titles
    assert f"{invited}: your invitation was sent" in titles
    notes = AuditEvent.objects.filter(action__contains="invitation").order_by("pk")
    assert [event.after["note"] for event in notes] == ["wrong address", "sent"]
    assert list(check_books()) == []


def test_each_way_is_gone_once(invited):
    undo_invitation(subscription=invited, note="", actor=None)
    with pytest.raises(InvitationRefused):
        undo_invitation(subscription=invited, note="", actor=None)
    send_invitation_again(subscription=invited, note="", actor=None)
    with pytest.raises(InvitationRefused):
        send_invitation_again(subscription=invited, note="", actor=None)
    assert Extension.objects.get().days == 1
    assert AuditEvent.objects.filter(action__contains="invitation").count() == 2


def test_after_seven_days_or_its_end_it_is_not_undone(invited, clock):
    with time_machine.travel(NOON + timedelta(days=7), tick=False):
        with pytest.raises(InvitationRefused):
            undo_invitation(subscription=invited, note="", actor=None)
    cancel_subscription(subscription=invited, reason="x", actor=None)
    with pytest.raises(InvitationRefused):
        undo_invitation(subscription=invited, note="", actor=None)
    assert stored().invitation_undone_at is None


def test_what_has_a_login_of_ours_has_no_invitation(customer):
    give_money(customer, 500_00)
    order = buy(customer, PlanFactory())
    for change in (undo_invitation, send_invitation_again):
        with pytest.raises(InvitationRefused):
            change(subscription=order.subscription, note="", actor=None)

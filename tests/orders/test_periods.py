"""No paid day is lost and none is given away, whatever happens in whatever order."""

import os
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Plan
from orders.books import check_books
from orders.models import Order
from orders.quotes import quote_for, read_quote
from orders.refunds import proposed_refund_paise, refund_order
from orders.services import deliver, deliver_waiting_orders, renew
from ottsonly import clock
from subscriptions.errors import CancellationRefused, ExtensionRefused
from subscriptions.lifecycle import expire
from subscriptions.models import Extension, Subscription
from subscriptions.services import (
    cancel_subscription,
    extend_subscription,
    replace_credentials,
)
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def _renew(subscription):
    plan, user = Plan.objects.get(pk=subscription.plan_id), subscription.user
    text = quote_for(user=user, plan=plan, renews=subscription)
    return renew(user=user, quote=read_quote(text, user=user, plan=plan, renews=subscription))


def _refund(order, key="r", **more):
    return refund_order(order=order, amount_paise=1_00, reason="asked", actor=None, key=key, **more)


@pytest.fixture
def running(customer):
    """A delivered subscription of 30 days, renewed once: 60 days in all."""
    plan = PlanFactory()
    add_account(plan)
    give_money(customer, 1000_00)
    order = buy(customer, plan)
    renewal = _renew(order.subscription)
    return Subscription.objects.get(), Order.objects.get(pk=order.pk), renewal


def test_refunding_the_first_period_moves_the_renewal_forward(running):
    subscription, first, renewal = running
    start = subscription.delivered_at
    with time_machine.travel(start + 10 * DAY, tick=False):
        _refund(first)
    renewal.refresh_from_db()
    first.refresh_from_db()
    subscription.refresh_from_db()
    assert (first.period_start, first.period_end) == (start, start + 10 * DAY)
    assert (renewal.period_start, renewal.period_end) == (start + 10 * DAY, start + 40 * DAY)
    assert (subscription.ends_at, subscription.state) == (start + 40 * DAY, "active")
    assert list(check_books()) == []


def test_refunding_the_renewal_leaves_the_first_period_whole(running):
    subscription, first, renewal = running
    start = subscription.delivered_at
    with time_machine.travel(start + 10 * DAY, tick=False):
        _refund(renewal)
    subscription.refresh_from_db()
    assert (subscription.ends_at, subscription.state) == (start + 30 * DAY, "active")
    assert subscription.holds_seat is True
    assert list(check_books()) == []


def test_refunding_both_ends_it_and_frees_the_seat(running):
    subscription, first, renewal = running
    with time_machine.travel(subscription.delivered_at + 10 * DAY, tick=False):
        _refund(first, "a")
        _refund(renewal, "b")
        now = clock.now()
    subscription.refresh_from_db()
    assert (subscription.ends_at, subscription.state) == (now, "cancelled")
    assert (subscription.holds_seat, subscription.credential.seats_used) == (False, 0)
    assert list(check_books()) == []


def test_the_proposed_refund_pays_for_the_unused_part(running):
    subscription, first, renewal = running
    with time_machine.travel(subscription.delivered_at + 10 * DAY, tick=False):
        first, renewal = Order.objects.get(pk=first.pk), Order.objects.get(pk=renewal.pk)
        assert proposed_refund_paise(first) == 199_00 * 20 // 30
        assert proposed_refund_paise(renewal) == 199_00
        refund_order(
            order=renewal, amount_paise=150_00, reason="", actor=None, key="p", take_back=False
        )
        renewal.refresh_from_db()
        assert proposed_refund_paise(renewal) == 49_00
    with time_machine.travel(subscription.delivered_at + 31 * DAY, tick=False):
        assert proposed_refund_paise(first) == 0


def test_refunds_before_the_delivery_give_the_unit_back_with_the_last_order(customer):
    plan = PlanFactory(stock=5)
    give_money(customer, 1000_00)
    first = buy(customer, plan)
    renewal = _renew(first.subscription)
    _refund(first, "a")
    plan.refresh_from_db()
    # The renewal still wants to be delivered, so the unit is still sold.
    assert (plan.stock, Subscription.objects.get().state) == (4, "active")
    _refund(renewal, "b")
    plan.refresh_from_db()
    assert (plan.stock, Subscription.objects.get().state) == (5, "cancelled")
    assert list(check_books()) == []


def test_after_a_refund_of_the_first_the_renewal_alone_is_delivered(customer):
    plan = PlanFactory()
    give_money(customer, 1000_00)
    first = buy(customer, plan)
    renewal = _renew(first.subscription)
    _refund(first)
    add_account(plan)
    assert deliver_waiting_orders() == 1
    renewal.refresh_from_db()
    subscription = Subscription.objects.get()
    assert renewal.state == "completed"
    assert subscription.ends_at - subscription.delivered_at == 30 * DAY
    assert list(check_books()) == []


def test_given_days_are_added_at_the_end_once_and_move_with_a_refund(running):
    subscription, first, renewal = running
    end = subscription.ends_at
    admin = AdminFactory()
    values = {"days": 5, "reason": "outage", "actor": admin, "key": "x"}
    extend_subscription(subscription=subscription, **values)
    extend_subscription(subscription=subscription, **values)
    subscription.refresh_from_db()
    assert (subscription.ends_at, Extension.objects.count()) == (end + 5 * DAY, 1)
    with pytest.raises(ExtensionRefused):
        extend_subscription(subscription=subscription, **{**values, "days": 6})
    with time_machine.travel(subscription.delivered_at + 10 * DAY, tick=False):
        _refund(renewal)
    given = Extension.objects.get()
    subscription.refresh_from_db()
    assert given.period_start == subscription.delivered_at + 30 * DAY
    assert subscription.ends_at == given.period_end
    assert list(check_books()) == []


@pytest.mark.parametrize("days", [0, -3, 367])
def test_a_senseless_number_of_days_is_refused(running, days):
    subscription = running[0]
    with pytest.raises(ExtensionRefused):
        extend_subscription(subscription=subscription, days=days, reason="", actor=None, key="x")
    assert Extension.objects.count() == 0


def test_cancelling_ends_it_now_and_frees_the_seat_but_pays_nothing(running):
    from wallet.models import WalletTransaction

    subscription = running[0]
    entries = WalletTransaction.objects.count()
    cancel_subscription(subscription=subscription, reason="abuse", actor=None)
    subscription.refresh_from_db()
    assert (subscription.state, subscription.holds_seat) == ("cancelled", False)
    assert subscription.ends_at <= timezone.now()
    assert WalletTransaction.objects.count() == entries
    with pytest.raises(CancellationRefused):
        cancel_subscription(subscription=subscription, reason="abuse", actor=None)
    with pytest.raises(ExtensionRefused):
        extend_subscription(subscription=subscription, days=1, reason="", actor=None, key="x")
    assert list(check_books()) == []


def test_what_waits_for_delivery_is_refunded_and_not_cancelled(customer):
    plan = PlanFactory()
    give_money(customer, 1000_00)
    subscription = buy(customer, plan).subscription
    with pytest.raises(CancellationRefused):
        cancel_subscription(subscription=subscription, reason="abuse", actor=None)
    assert Subscription.objects.get().state == "active"


class Days:
    """What one customer should have: paid days not used yet, told by plain arithmetic."""

    def __init__(self):
        self.grants = {}
        self.given = timedelta()
        self.started = self.over = False

    def left(self):
        return sum(self.grants.values(), self.given)

    def pass_by(self, time):
        """Use up `time`, the oldest grant first."""
        if not self.started:
            return
        for key, rest in self.grants.items():
            used = min(rest, time)
            self.grants[key] = rest - used
            time -= used
        self.given = max(timedelta(), self.given - time)


STEPS = st.lists(
    st.sampled_from(
        ["renew", "deliver", "refund first", "refund last", "days", "week", "replace", "expire"]
        + ["extend", "days", "renew"]
    ),
    min_size=3,
    max_size=9,
)


def _play(steps):
    """Let one customer take `steps` and compare with the arithmetic after each."""
    plan = PlanFactory(stock=100, delivery="manual")
    for _unused in range(1 + steps.count("replace")):
        add_account(plan)
    user = CustomerFactory()
    give_money(user, 50_000_00)
    days = Days()
    with time_machine.travel(clock.now(), tick=False) as moment:
        order = buy(user, plan)
        days.grants[order.pk] = 30 * DAY
        for number, step in enumerate(steps):
            subscription = Subscription.objects.get(user_id=user.pk)
            _take_step(step, f"{user.pk}-{number}", subscription, days, moment)
            _agree(Subscription.objects.get(user_id=user.pk), days)


def _play_many(examples):
    profile = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    profile(given(STEPS)(_play))()
    assert list(check_books()) == []


def test_no_sequence_loses_or_gives_away_a_paid_day():
    _play_many(15)


@pytest.mark.deep
def test_no_long_run_of_sequences_loses_or_gives_away_a_paid_day():
    _play_many(int(os.environ.get("DEEP_EXAMPLES", "300")))


def _take_step(step, key, subscription, days, moment):
    running = subscription.state == "active"
    open_orders = list(
        Order.objects.filter(subscription_id=subscription.pk)
        .exclude(state="refunded")
        .order_by("created_at", "pk")
    )
    if step in ("days", "week"):
        time = {"days": timedelta(days=4, hours=5), "week": 7 * DAY}[step]
        moment.shift(time)
        days.pass_by(time)
    elif step == "renew" and running:
        days.grants[_renew(subscription).pk] = 30 * DAY
    elif step == "deliver" and running and not days.started:
        deliver(order=open_orders[0])
        days.started = True
    elif step == "extend" and running and not subscription.extensions.exists():
        extend_subscription(subscription=subscription, days=3, reason="", actor=None, key=key)
        days.given += 3 * DAY
    elif step == "replace" and running and days.started:
        replace_credentials(subscription=subscription, reason="", actor=None)
    elif step == "expire":
        if expire([subscription.pk]):
            days.over = True
    elif step in ("refund first", "refund last") and open_orders:
        order = open_orders[0 if step == "refund first" else -1]
        _refund(order, key)
        days.grants[order.pk] = timedelta()
        if running and (len(open_orders) == 1 or (days.started and not days.left())):
            days.over, days.given = True, timedelta()


def _agree(subscription, days):
    if days.over:
        assert subscription.state in ("expired", "cancelled")
        assert subscription.holds_seat is False
        return
    assert subscription.state == "active"
    if days.started:
        assert max(timedelta(), subscription.ends_at - clock.now()) == days.left()
    else:
        assert subscription.ends_at - subscription.starts_at == days.left()
        assert timedelta(days=subscription.paid_days) == days.left() - days.given

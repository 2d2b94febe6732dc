"""Today: kept sums and fresh ones agree, days are India's, twelve commands at most."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.urls import reverse

from console.figures import Figures, close_days, figures_of, last_closed_day
from console.hands import REGISTERED, lines
from console.models import DaySum
from orders.models import Order
from orders.refunds import refund_order
from ottsonly.mongo import in_transaction
from tests.factories import CustomerFactory, PlanFactory, add_account, buy, give_money
from wallet.models import Recharge
from wallet.recharges import _credit
from wallet.services import ensure_wallet

pytestmark = pytest.mark.django_db
# Half an hour before and after midnight in India, which is 18:30 in UTC.
BEFORE = datetime(2026, 5, 9, 18, 0, tzinfo=UTC)
AFTER = datetime(2026, 5, 9, 19, 0, tzinfo=UTC)
NOW = datetime(2026, 5, 11, 6, 0, tzinfo=UTC)
DAYS = [date(2026, 5, 8), date(2026, 5, 9), date(2026, 5, 10), date(2026, 5, 11)]


def at(moment):
    return time_machine.travel(moment, tick=False)


@pytest.fixture
def history(db):
    """Sales on both sides of midnight, a refund and a top-up, and one sale today."""
    with at(BEFORE - timedelta(days=1)):
        plan, other = PlanFactory(stock=9), PlanFactory(stock=9, price_paise=100_00)
        add_account(plan, seats=9)
        customer = CustomerFactory()
        give_money(customer, 2000_00)
    with at(BEFORE):
        first = buy(customer, plan)
        CustomerFactory()
    with at(AFTER):
        buy(customer, plan)
        buy(customer, other)
        refund_order(order=first, amount_paise=50_00, reason="x", actor=None, key="r")
        recharge = Recharge.objects.create(user=customer, amount_paise=300_00, key="k")
        ensure_wallet(customer.pk)
        in_transaction(lambda: _credit(recharge.pk, "pay_1", Recharge.Source.WEBHOOK))
    with at(NOW):
        buy(customer, other)
    return plan, other


def expected(plan, other):
    return [
        Figures(customers=1),
        Figures(
            1,
            199_00,
            customers=1,
            platforms={plan.platform.name: 199_00},
            plans={str(plan.pk): 1},
        ),
        Figures(
            2,
            299_00,
            1,
            300_00,
            1,
            50_00,
            platforms={plan.platform.name: 199_00, other.platform.name: 100_00},
            plans={str(plan.pk): 1, str(other.pk): 1},
        ),
        Figures(1, 100_00, platforms={other.platform.name: 100_00}, plans={str(other.pk): 1}),
    ]


def test_sums_that_were_kept_and_fresh_ones_agree(history):
    with at(NOW):
        fresh = list(figures_of(DAYS).values())
        assert fresh == expected(*history)
        assert close_days() == 3
        assert list(DaySum.objects.order_by("pk").values_list("pk", flat=True)) == [
            "2026-05-08",
            "2026-05-09",
            "2026-05-10",
        ]
        assert list(figures_of(DAYS).values()) == fresh
        assert close_days() == 0
        DaySum.objects.filter(pk="2026-05-09").update(sales_paise=1)
        assert figures_of(DAYS)[DAYS[1]].sales_paise == 1
        call_command("sum_days", "--rebuild", verbosity=0)
        assert list(figures_of(DAYS).values()) == fresh


def test_a_day_stays_open_while_a_transaction_of_it_may_run():
    midnight = datetime(2026, 5, 9, 18, 30, tzinfo=UTC)
    assert last_closed_day(midnight + timedelta(minutes=9)) == date(2026, 5, 8)
    assert last_closed_day(midnight + timedelta(minutes=10)) == date(2026, 5, 9)


def test_the_page_shows_the_figures_of_the_period(history, console):
    with at(NOW):
        page = console.get(reverse("admin:index"), {"days": "7"})
        tiles = {tile["name"]: tile["value"] for tile in page.context["tiles"]}
        assert tiles == {
            "Sales": "₹598",
            "Orders": "4",
            "Average order": "₹149",
            "Top-ups": "₹300",
            "Refunds": "₹50",
            "New customers": "2",
            "Active subscriptions": "3",
        }
        assert [bar.value for bar in page.context["day_bars"]][-3:] == ["₹199", "₹299", "₹100"]
        shares = [(bar.value, bar.share) for bar in page.context["platform_bars"]]
        assert shares == [("₹398", 67), ("₹200", 33)]
        today = console.get(reverse("admin:index"), {"days": "1"})
        assert today.context["tiles"][0]["value"] == "₹100"


def test_work_is_counted_with_the_age_of_the_oldest(history, admin_user, customer):
    with at(NOW):
        give_money(customer, 500_00)
        buy(customer, PlanFactory(delivery="customer_email"), customer_email="a@example.com")
        Recharge.objects.create(
            user=customer, amount_paise=1, key="old", created_at=NOW - timedelta(hours=2)
        )
        Recharge.objects.create(user=customer, amount_paise=1, key="new", created_at=NOW)
        found = {line.work.name: (line.count, line.oldest) for line in lines(admin_user)}
    assert found["orders.seat"] == (2, AFTER)
    assert found["orders.invitation"] == (1, NOW)
    assert found["pool.short"] == (1, None)
    assert found["recharges.stuck"] == (1, NOW - timedelta(hours=2))
    assert found["alerts.failed"] == (0, None)
    assert found["stock.low"] == (0, None)
    assert found["subscriptions.ending"] == (0, None)
    assert set(found) == set(REGISTERED)


def test_every_line_leads_to_a_list_that_shows_as_many(history, console, admin_user):
    with at(NOW):
        for line in lines(admin_user):
            page = console.get(line.url)
            assert page.status_code == 200
            if line.work.name != "pool.short" and hasattr(page.context["cl"], "next_url"):
                assert page.context["cl"].result_count == line.count


def test_the_page_takes_few_commands_and_support_writes_nothing(history, support, commands):
    with at(NOW):
        support.get(reverse("admin:index"))
        commands.clear()
        support.get(reverse("admin:index"), {"days": "30"})
    assert commands == [
        "aggregate sessions",
        "aggregate users",
        "aggregate totp_devices",
        "aggregate day_sums",
        "aggregate orders",
        "aggregate subscriptions",
        # All lines of work at once; the first of them is about orders.
        "aggregate orders",
    ]
    assert Order.objects.count() == 4
    assert DaySum.objects.count() == 0

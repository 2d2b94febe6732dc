"""Quiet hours, their digest, and the daily summary."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured

from console.figures import add_up
from orders.refunds import refund_order
from telegram_alerts.chats import is_quiet, write_alert
from telegram_alerts.checks import check_chats
from telegram_alerts.digest import collect_held, send_daily_summary, summary_text
from telegram_alerts.models import Alert
from tests.factories import PlanFactory, buy, give_money
from wallet.gateway import Payment
from wallet.models import Recharge
from wallet.recharges import complete_recharge

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)  # in India
SEVEN = MIDNIGHT + timedelta(hours=7)


@pytest.fixture
def quiet(settings):
    settings.TELEGRAM_QUIET_HOURS = ("22:00", "07:00")
    settings.TELEGRAM_CHAT_ID = "-1001"


@pytest.mark.parametrize(
    ("hours", "minutes", "expected"),
    [
        (("22:00", "07:00"), -121, False),
        (("22:00", "07:00"), -120, True),
        (("22:00", "07:00"), 0, True),
        (("22:00", "07:00"), 419, True),
        (("22:00", "07:00"), 420, False),
        (("01:00", "05:30"), 59, False),
        (("01:00", "05:30"), 60, True),
        (("01:00", "05:30"), 330, False),
        (None, 0, False),
    ],
)
def test_quiet_hours_are_indias(settings, hours, minutes, expected):
    settings.TELEGRAM_QUIET_HOURS = hours
    assert is_quiet(MIDNIGHT + timedelta(minutes=minutes)) is expected


def test_the_harmless_waits_for_one_digest_and_the_urgent_does_not(quiet):
    with time_machine.travel(MIDNIGHT, tick=False) as clock:
        for number in range(3):
            write_alert(kind="new_order", text=f"<b>New order {number}</b>\n₹199\nmore")
        write_alert(kind="job_failing", text="<b>Job failing</b>")
        collect_held()
        states = Alert.objects.order_by("pk").values_list("kind", "state")
        assert list(states) == [("new_order", "held")] * 3 + [("job_failing", "pending")]
        clock.move_to(SEVEN)
        collect_held()
        collect_held()
    digest = Alert.objects.get(kind="digest")
    assert (digest.state, digest.chat) == ("pending", "-1001")
    assert digest.text.splitlines()[:4] == [
        "<b>While it was quiet: 3 alerts</b>",
        "00:00 New order 0: ₹199",
        "00:00 New order 1: ₹199",
        "00:00 New order 2: ₹199",
    ]
    assert Alert.objects.filter(kind="new_order", state="collected").count() == 3


def test_a_long_night_makes_few_digests_below_the_limit_and_loses_none(quiet):
    with time_machine.travel(MIDNIGHT, tick=False) as clock:
        Alert.objects.bulk_create(
            Alert(kind="new_order", chat="-1001", text=f"<b>{'&lt;' * 30} {n}</b>", state="held")
            for n in range(450)
        )
        clock.move_to(SEVEN)
        collect_held()
    digests = list(
        Alert.objects.filter(kind="digest").order_by("pk").values_list("text", flat=True)
    )
    assert [text.splitlines()[0] for text in digests] == [
        "<b>While it was quiet: 200 alerts</b>",
        "<b>While it was quiet: 200 alerts</b>",
        "<b>While it was quiet: 50 alerts</b>",
    ]
    assert max(map(len, digests)) <= 4096
    shown = [sum(" &lt;" in line for line in text.splitlines()) for text in digests]
    assert f"and {200 - shown[0]} more" in digests[0]
    assert not Alert.objects.filter(state="held").exists()


def test_quiet_hours_switched_off_leave_nothing_behind(quiet, settings):
    with time_machine.travel(MIDNIGHT, tick=False):
        write_alert(kind="refund", text="<b>Refund</b>")
        settings.TELEGRAM_QUIET_HOURS = None
        collect_held()
    assert sorted(Alert.objects.values_list("kind", "state")) == [
        ("digest", "pending"),
        ("refund", "collected"),
    ]


def test_the_summary_counts_the_day_by_indias_clock(customer):
    give_money(customer, 5000_00)
    plan = PlanFactory(stock=9, low_stock_threshold=7, delivery="manual")
    day = MIDNIGHT + timedelta(days=1)
    with time_machine.travel(day - timedelta(seconds=1), tick=False) as clock:
        first = buy(customer, plan)
        terms = {"reason": "x", "actor": None, "take_back": False}
        refund_order(order=first, amount_paise=50_00, key="k1", **terms)
        clock.move_to(day)
        buy(customer, plan)
        refund_order(order=first, amount_paise=30_00, key="k2", **terms)
    text = summary_text(date(2026, 3, 2)).splitlines()
    assert text[0] == "<b>02 March 2026</b>"
    assert text[1] == "Orders: 1, ₹199"
    assert text[4] == "Orders that wait now: 2"
    assert text[5] == "Low stock: Premium"
    assert text[3] == "Refunds: 1, ₹50"


def test_a_top_up_counts_on_the_day_of_its_credit_as_in_the_console(customer):
    day = date(2026, 3, 2)
    recharge = Recharge.objects.create(
        user=customer,
        amount_paise=500_00,
        key="k",
        razorpay_order_id="order_1",
        created_at=MIDNIGHT - timedelta(minutes=5),
    )
    paid = Payment(
        id="pay_1", order_id="order_1", amount_paise=500_00, currency="INR", status="captured"
    )
    with time_machine.travel(MIDNIGHT + timedelta(minutes=5), tick=False):
        complete_recharge(recharge=recharge, payment=paid, source=Recharge.Source.WEBHOOK)
    assert "Top-ups: 1, ₹500" in summary_text(day).splitlines()
    assert "Top-ups: 0, ₹0" in summary_text(day - timedelta(days=1)).splitlines()
    assert add_up(day - timedelta(days=1), day)[day].topups_paise == 500_00


def test_the_summary_is_written_once_for_each_chat_that_wants_it(settings, db):
    settings.TELEGRAM_CHAT_ID = ""
    settings.TELEGRAM_CHATS = {"-1": ["summary"], "-2": ["*"], "-3": ["refund"]}
    for day in range(2):
        with time_machine.travel(SEVEN + timedelta(days=day), tick=False):
            send_daily_summary()
            send_daily_summary()
    found = Alert.objects.order_by("key").values_list("key", flat=True)
    assert list(found) == [
        "summary:2026-03-02:-1",
        "summary:2026-03-02:-2",
        "summary:2026-03-03:-1",
        "summary:2026-03-03:-2",
    ]
    assert set(Alert.objects.values_list("state", flat=True)) == {"pending"}


def test_an_unknown_kind_is_refused_by_the_check(settings):
    settings.TELEGRAM_CHATS = {"-1": ["new_order", "refunds"], "-2": ["*"]}
    (error,) = check_chats()
    assert error.msg == "TELEGRAM_CHATS names the unknown kind 'refunds' for chat -1."


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TELEGRAM_CHATS", "-1001", "TELEGRAM_CHATS is written like"),
        ("TELEGRAM_CHATS", "-1001:;", "TELEGRAM_CHATS is written like"),
        ("TELEGRAM_QUIET_HOURS", "22-7", "TELEGRAM_QUIET_HOURS is written like"),
        ("TELEGRAM_QUIET_HOURS", "24:00-07:00", "TELEGRAM_QUIET_HOURS is written like"),
    ],
)
def test_a_start_with_a_bad_value_names_the_variable(name, value, sentence, monkeypatch):
    from ottsonly import settings as module

    monkeypatch.setenv(name, value)
    read = module._chats if name == "TELEGRAM_CHATS" else module._hours
    with pytest.raises(ImproperlyConfigured, match=sentence):
        read(name)


def test_chats_are_read_from_the_environment(monkeypatch):
    from ottsonly import settings as module

    monkeypatch.setenv("TELEGRAM_CHATS", " -1001: new_order, refund ;-1002:*; ")
    assert module._chats("TELEGRAM_CHATS") == {"-1001": ["new_order", "refund"], "-1002": ["*"]}

"""Exports: complete, streamed, safe in a spreadsheet, without secrets, recorded, admins only."""

import csv
import io
from datetime import UTC, datetime

import pytest
import time_machine
from django.urls import reverse

from accounts.models import User
from console import exports
from ottsonly.models import AuditEvent
from tests.console.test_lists import copies
from tests.console.world import SECRETS
from tests.factories import PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 9, 19, 0, tzinfo=UTC)  # The 10th of May in India.
URL = reverse("console:export")


@pytest.fixture
def sold(customer):
    with time_machine.travel(NOW, tick=False):
        plan = PlanFactory(stock=1)
        add_account(plan, login="seat@example.com")
        give_money(customer, 500_00)
        return buy(customer, plan)


def take(client, kind, first="2026-05-10", last="2026-05-10"):
    answer = client.post(URL, {"kind": kind, "first": first, "last": last})
    assert answer.status_code == 200
    assert answer.streaming
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("kind", sorted(exports.EXPORTS))
def test_every_export_has_its_rows_and_no_secret(console, sold, kind):
    User.objects.update(created_at=NOW)
    heads, *rows = take(console, kind)
    assert len(rows) == {"orders": 1, "ledger": 2, "customers": 2, "subscriptions": 1}[kind]
    assert all(len(row) == len(heads) for row in rows)
    assert not [secret for secret in SECRETS if secret in str(rows)]
    assert take(console, kind, "2026-05-09", "2026-05-09") == [heads]


def test_an_order_is_told_in_rupees_and_times_of_india(console, sold, customer):
    (_heads, row) = take(console, "orders")
    assert row[:7] == [
        sold.number,
        "2026-05-10 00:30:00",
        "purchase",
        sold.platform_name,
        "Premium",
        "30",
        "199.00",
    ]
    assert row[-1] == f"'{customer.phone}"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1"])
def test_no_name_becomes_a_formula(console, customer, name):
    User.objects.filter(pk=customer.pk).update(name=name, created_at=NOW)
    (_heads, row) = take(console, "customers")
    assert row[3] == f"'{name}"


def test_more_than_one_reading_comes_out_whole_and_in_order(console, sold, monkeypatch):
    monkeypatch.setattr(exports, "READ_AT_ONCE", 3)
    made = copies(sold, [NOW.replace(minute=minute) for minute in range(7)])
    made += copies(sold, [NOW.replace(day=11, hour=hour) for hour in range(3)])
    rows = take(console, "orders", "2026-05-10", "2026-05-12")[1:]
    assert len(rows) == len(made) + 1
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)


def test_who_took_what_is_recorded_and_support_takes_nothing(console, support, sold, admin_user):
    before = AuditEvent.objects.count()
    refused = support.get(URL)
    assert refused.status_code == 403
    assert "Your role does not include this." in refused.content.decode()
    assert support.post(URL, {"kind": "orders"}).status_code == 403
    wrong = {"kind": "secrets", "first": "2026-05-10", "last": "2026-05-09"}
    refused = console.post(URL, wrong)
    assert refused.status_code == 400
    assert sorted(refused.context["form"].errors) == ["kind", "last"]
    for first, last in (("0001-01-01", "0001-01-02"), ("9999-12-30", "9999-12-31")):
        refused = console.post(URL, {"kind": "orders", "first": first, "last": last})
        assert (refused.status_code, len(refused.context["form"].errors)) == (400, 2)
    assert AuditEvent.objects.count() == before
    take(console, "ledger")
    event = AuditEvent.objects.get(action="console.export")
    assert (event.actor_id, event.after) == (
        admin_user.pk,
        {"kind": "ledger", "first": "2026-05-10", "last": "2026-05-10"},
    )
    assert "Export" not in support.get(reverse("admin:index")).content.decode()

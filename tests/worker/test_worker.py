"""The worker command: one round for cron, and how it ends."""

import os
import signal
import subprocess
import sys
import time

import pytest
from django.core.management import call_command
from django.db import connection

from orders.models import Order
from ottsonly.models import PeriodicJob
from telegram_alerts.models import Alert
from tests.factories import PlanFactory, add_account, buy, give_money
from tests.worker.sample_jobs import DONE

pytestmark = pytest.mark.django_db


def test_one_round_delivers_orders_and_then_their_alerts(telegram, customer):
    give_money(customer, 500_00)
    plan = PlanFactory()
    order = buy(customer, plan)
    add_account(plan)
    call_command("worker", "--once")
    order.refresh_from_db()
    assert order.state == Order.State.COMPLETED
    kinds = Alert.objects.filter(kind__in=["activated", "new_order"]).order_by("kind")
    assert list(kinds.values_list("kind", "state")) == [
        ("activated", "sent"),
        ("new_order", "sent"),
    ]
    assert len(telegram.delivered) == Alert.objects.count()


@pytest.mark.parametrize(
    ("job", "done"), [("terminated", ["1 piece"]), ("interrupted", ["finished"])]
)
def test_a_signal_lets_the_work_in_hand_finish_and_starts_no_other(make_jobs, job, done):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    make_jobs(job, "second")
    call_command("worker")
    assert done == DONE
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    assert PeriodicJob.objects.get(pk=job).claimed_until is None


def start_worker(**more: str) -> subprocess.Popen[bytes]:
    """Start a worker process on the database of this test."""
    environment = {**os.environ, "MONGODB_NAME": connection.settings_dict["NAME"], **more}
    return subprocess.Popen([sys.executable, "manage.py", "worker"], env=environment)


@pytest.mark.crash
@pytest.mark.django_db(transaction=True)
def test_a_worker_process_delivers_and_ends_at_sigterm(telegram, make_alerts):
    make_alerts(3)
    process = start_worker(
        TELEGRAM_BOT_TOKEN="123456:not-a-real-token",
        TELEGRAM_CHAT_ID="-1001",
        TELEGRAM_BASE_URL=telegram.base_url,
    )
    try:
        deadline = time.monotonic() + 60
        while Alert.objects.filter(state="sent").count() < 3 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        assert sorted(telegram.delivered) == ["alert 0", "alert 1", "alert 2"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait(timeout=10)

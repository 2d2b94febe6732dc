"""The worker: its jobs, an error in one of them, and how it ends."""

import logging
import os
import signal
import subprocess
import sys
import time

import pytest
from django.core.management import call_command
from django.db import connection

from orders.models import Order
from telegram_alerts.management.commands.worker import Command
from telegram_alerts.models import Alert
from tests.factories import PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db


def test_one_round_delivers_orders_and_then_their_alerts(telegram, customer):
    give_money(customer, 500_00)
    plan = PlanFactory()
    order = buy(customer, plan)
    add_account(plan)
    call_command("worker", "--once")
    order.refresh_from_db()
    assert order.state == Order.State.COMPLETED
    assert sorted(Alert.objects.values_list("kind", "state")) == [
        ("activated", "sent"),
        ("new_order", "sent"),
    ]
    assert len(telegram.delivered) == 2


def test_an_error_in_one_job_does_not_stop_the_others(monkeypatch, caplog):
    done: list[str] = []

    def broken() -> None:
        raise RuntimeError("it broke")

    def after() -> None:
        done.append("after")

    monkeypatch.setattr(Command, "jobs", (broken, after))
    with caplog.at_level(logging.ERROR):
        call_command("worker", "--once")
    assert done == ["after"]
    assert "job broken failed" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_job_in_hand_finish_and_starts_no_other(monkeypatch, number):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    done: list[str] = []

    def in_hand() -> None:
        os.kill(os.getpid(), number)
        done.append("finished")

    def other() -> None:
        done.append("other")

    monkeypatch.setattr(Command, "jobs", (in_hand, other))
    call_command("worker", "--interval", "60")
    assert done == ["finished"]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers


@pytest.mark.crash
@pytest.mark.django_db(transaction=True)
def test_a_worker_process_delivers_and_ends_at_sigterm(telegram, make_alerts):
    make_alerts(3)
    environment = {
        **os.environ,
        "MONGODB_NAME": connection.settings_dict["NAME"],
        "TELEGRAM_BOT_TOKEN": "123456:not-a-real-token",
        "TELEGRAM_CHAT_ID": "-1001",
        "TELEGRAM_BASE_URL": telegram.base_url,
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "worker", "--interval", "0.1"], env=environment
    )
    try:
        deadline = time.monotonic() + 30
        while Alert.objects.filter(state="sent").count() < 3 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        assert sorted(telegram.delivered) == ["alert 0", "alert 1", "alert 2"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait(timeout=10)

"""Probes and figures: what a machine may ask, and what a stranger learns from it."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from ottsonly.models import PeriodicJob
from telegram_alerts.models import Alert
from tests.factories import CustomerFactory, PlanFactory, buy, give_money
from wallet.errors import InsufficientBalance

pytestmark = pytest.mark.django_db
TOKEN = "figures-for-prometheus-only"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def working(db):
    """A worker that has just begun a job."""
    return PeriodicJob.objects.create(
        name="send-alerts", next_run=timezone.now(), last_run=timezone.now(), last_duration_ms=250
    )


def figures(client) -> dict[tuple, float]:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def test_live_asks_nothing_of_the_database_and_answers_by_any_name(client, settings, commands):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/health/live", headers={"host": "10.1.2.3"})
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert commands == []
    assert client.post("/health/live").status_code == 405


def test_ready_while_a_worker_runs_and_alerts_leave(client, working):
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"database": "ok", "worker": "ok", "outbox": "ok"}


def test_not_ready_before_and_long_after_a_worker(client, db):
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["worker"]) == (503, "no worker has run yet")
    PeriodicJob.objects.create(
        name="a", next_run=timezone.now(), last_run=timezone.now() - timedelta(seconds=200)
    )
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["worker"].startswith("no worker for 20")


def test_not_ready_while_alerts_pile_up_and_a_bot_is_there(client, working, settings):
    Alert.objects.create(
        kind="refund", text="x", next_attempt_at=timezone.now() - timedelta(hours=1)
    )
    assert client.get("/health/ready").status_code == 200
    settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_CHAT_ID = "1:x", "-1"
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["outbox"].startswith("alerts wait for 36")


def test_a_database_that_does_not_answer_is_said_without_its_address(client, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionError("mongodb://shop:secret@db.example refused")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["database"]) == (503, "no answer")
    assert "secret" not in answer.content.decode()


@pytest.mark.parametrize("given", [None, "", "Bearer ", f"Bearer {TOKEN}x", "Basic x", "Bearer é"])
def test_figures_are_a_page_that_does_not_exist_without_the_token(client, settings, given):
    settings.METRICS_TOKEN = TOKEN
    headers = {} if given is None else {"Authorization": given}
    answer = client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.content) == (404, b"")
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_figures_count_requests_purchases_and_refusals(client, settings, working):
    settings.METRICS_TOKEN = TOKEN
    before = figures(client)

    def grown(*key) -> float:
        return figures(client).get(key, 0) - before.get(key, 0)

    client.get("/plans/")
    client.get("/no-such-page/")
    plan = PlanFactory(delivery="manual")
    rich, poor = CustomerFactory(), CustomerFactory()
    give_money(rich, 500_00)
    buy(rich, plan)
    with pytest.raises(InsufficientBalance):
        buy(poor, plan)
    page = ("method", "GET"), ("status", "200"), ("view", "catalog:plans")
    assert grown("shop_requests_total", *page) == 1
    missing = ("method", "GET"), ("status", "404"), ("view", "none")
    assert grown("shop_requests_total", *missing) == 1
    assert grown("shop_purchases_total", ("kind", "purchase")) == 1
    assert grown("shop_purchase_refusals_total", ("reason", "InsufficientBalance")) == 1


def test_invented_methods_make_no_rows(client, settings, working):
    settings.METRICS_TOKEN = TOKEN
    row = ("method", "other"), ("status", "405"), ("view", "catalog:plans")
    before = figures(client).get(("shop_requests_total", *row), 0)
    for method in ("BREW", "XYZZY"):
        assert client.generic(method, "/plans/").status_code == 405
    found = figures(client)
    assert found["shop_requests_total", *row] - before == 2
    assert not [key for key in found if {("method", "BREW"), ("method", "XYZZY")} & {*key[1:]}]


def test_figures_tell_of_jobs_and_outbox(client, settings, working):
    settings.METRICS_TOKEN = TOKEN
    for state in ("pending", "pending", "failed", "sent"):
        Alert.objects.create(
            kind="refund",
            text="x",
            state=state,
            next_attempt_at=timezone.now() - timedelta(seconds=100),
        )
    found = figures(client)
    assert found["shop_job_last_duration_seconds", ("job", "send-alerts")] == 0.25
    assert found["shop_job_failures", ("job", "send-alerts")] == 0
    assert found["shop_outbox_depth", ("state", "pending")] == 2
    assert found["shop_outbox_depth", ("state", "failed")] == 1
    assert 100 <= found[("shop_outbox_age_seconds",)] < 160


WEB_PROCESS = """
import sys
import django
django.setup()
from ottsonly.metrics import gateway_timed, purchase_counted
for _unused in range(int(sys.argv[1])):
    with purchase_counted("purchase"):
        pass
with gateway_timed("create_order"):
    pass
"""


@pytest.mark.load
def test_counts_of_several_web_processes_are_read_as_one_sum(
    client, settings, working, tmp_path, monkeypatch
):
    settings.METRICS_TOKEN = TOKEN
    ready = os.environ | {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "ottsonly.settings",
    }
    writers = [
        subprocess.Popen([sys.executable, "-c", WEB_PROCESS, str(count)], cwd=ROOT, env=ready)
        for count in (2, 3)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    # Whichever process answers, here a third: it reads what all of them left in the folder.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    found = figures(client)
    assert found["shop_purchases_total", ("kind", "purchase")] == 5
    calls = ("call", "create_order"), ("outcome", "ok")
    assert found["shop_gateway_seconds_count", *calls] == 2
    # What stands in the database is told once, not once for each process.
    assert found["shop_job_last_duration_seconds", ("job", "send-alerts")] == 0.25

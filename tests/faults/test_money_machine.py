"""Promises 2 to 6 at once: whatever happens in whatever order, the books agree to the paisa."""

import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from razorpay_sandbox.process import SandboxServer
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, give_money
from tests.faults.mongo_proxy import ScriptedProxy
from tests.faults.shop import SETTINGS, Shop, as_report, as_result, empty_database
from tests.faults.victims import database_address, uri_of

pytestmark = pytest.mark.django_db(transaction=True)

INDEX = st.integers(0, 30)
STEPS = 40
PROCESSES = 8


class World:
    """What the machine, which hypothesis makes anew for each run, takes from the test."""

    razorpay: SandboxServer
    proxy: ScriptedProxy
    results: list[dict[str, Any]]
    discrepancies: list[str]
    end = 0.0


def timed(step: Callable[..., None]) -> Callable[..., None]:
    """Take no further step once the time is over, unless a failure has to be shown again."""

    @wraps(step)
    def taken(machine: "MoneyMachine", **choices: Any) -> None:
        if time.monotonic() > World.end:
            return
        try:
            step(machine, **choices)
        except Exception:
            World.end = math.inf
            raise

    return taken


def has_payments(machine: "MoneyMachine") -> bool:
    return machine.shop is not None and machine.shop.has_payments


class MoneyMachine(RuleBasedStateMachine):
    """Any order of top-ups, purchases, renewals, refunds, expiry, news and faults."""

    def __init__(self) -> None:
        super().__init__()
        self.shop: Shop | None = None
        if time.monotonic() < World.end:
            self.open_shop()

    def open_shop(self) -> None:
        World.razorpay.reset()
        empty_database()
        plans = [PlanFactory(stock=3, price_paise=199_00), PlanFactory(stock=2, price_paise=49_99)]
        add_account(plans[0], seats=2)
        World.proxy.struck.clear()
        self.shop = Shop(
            razorpay=World.razorpay,
            customers=[CustomerFactory() for _unused in range(3)],
            plans=plans,
            admin=AdminFactory(),
            tag="machine",
            proxy=World.proxy,
            alone=True,
        )
        # So that every step has something to work on.
        for who in range(3):
            self.shop.adjust(who, 600_00)
            self.shop.start_topup(who, 500_00)
            self.shop.pay(who, who, other_amount=False)

    @rule(who=INDEX, paise=st.integers(100_00, 900_00))
    @timed
    def start_topup(self, who, paise):
        self.shop.start_topup(who, paise)

    @rule(which=st.integers(0, 3), outcome=INDEX, other=st.sampled_from([False] * 5 + [True]))
    @timed
    def pay(self, which, outcome, other):
        self.shop.pay(which, outcome, other)

    @rule(which=INDEX, borrowed=st.integers(0, 4))
    @timed
    def callback(self, which, borrowed):
        if not has_payments(self):
            return
        self.shop.callback(which, borrowed)

    @rule(which=INDEX, copies=st.integers(1, 3), altered=st.sampled_from([False] * 4 + [True]))
    @timed
    def web_hook(self, which, copies, altered):
        if not has_payments(self):
            return
        self.shop.web_hook(which, copies, altered)

    @rule(which=INDEX, paise=st.sampled_from([100, 50_00, 100_01, 500_00]))
    @timed
    def source_refund(self, which, paise):
        self.shop.source_refund(which, paise)

    @rule(which=INDEX, failed=st.booleans())
    @timed
    def bank_settles(self, which, failed):
        self.shop.bank_settles(which, failed)

    @rule(which=INDEX)
    @timed
    def dispute(self, which):
        if not has_payments(self):
            return
        self.shop.dispute(which)

    @rule(who=INDEX, what=INDEX)
    @timed
    def purchase(self, who, what):
        self.shop.purchase(who, what)

    @rule()
    @timed
    def purchase_again(self):
        self.shop.purchase_again()

    @rule(which=INDEX)
    @timed
    def renew(self, which):
        self.shop.renew(which)

    @rule(which=INDEX, share=st.integers(0, 5), take_back=st.booleans())
    @timed
    def refund(self, which, share, take_back):
        self.shop.refund(which, share, take_back)

    @rule(which=INDEX, days=st.integers(0, 70))
    @timed
    def expire(self, which, days):
        self.shop.expire(which, days)

    @rule(who=INDEX, paise=st.sampled_from([-200_00, -1, 0, 1, 300_00]))
    @timed
    def adjust(self, who, paise):
        self.shop.adjust(who, paise)

    @rule(what=INDEX, units=st.integers(-2, 3))
    @timed
    def restock(self, what, units):
        self.shop.restock(what, units)

    @rule(which=st.integers(0, 4))
    @timed
    def worker(self, which):
        self.shop.worker(which)

    @rule(kind=INDEX, count=st.integers(1, 4))
    @timed
    def razorpay_misbehaves(self, kind, count):
        self.shop.razorpay_misbehaves(kind, count)

    @rule(pending=st.booleans())
    @timed
    def refunds_take_time(self, pending):
        self.shop.refunds_take_time(pending)

    @rule(kind=INDEX, at=st.integers(1, 20))
    @timed
    def database_misbehaves(self, kind, at):
        self.shop.database_misbehaves(kind, at)

    def teardown(self) -> None:
        if self.shop is None:
            return
        self.shop.settle(seed=sum(self.shop.tried.values()))
        found = self.shop.discrepancies()
        World.results.append(as_result(self.shop))
        World.discrepancies += found
        if found:
            World.end = math.inf
        assert found == []


@pytest.fixture
def world(razorpay: SandboxServer) -> Iterator[type[World]]:
    """The shop behind a proxy, which the database's faults come from."""
    World.razorpay, World.proxy = razorpay, ScriptedProxy(database_address())
    World.results, World.discrepancies = [], []
    host = connection.settings_dict["HOST"]
    connection.close_pool()
    connection.settings_dict["HOST"] = uri_of(World.proxy.port)
    with override_settings(**SETTINGS):
        yield World
    empty_database()
    connection.close_pool()
    connection.settings_dict["HOST"] = host
    World.proxy.close()


def _run_for(seconds: float, report: Any) -> None:
    World.end = time.monotonic() + seconds
    try:
        while time.monotonic() < World.end:
            run_state_machine_as_test(
                MoneyMachine,
                settings=settings(
                    max_examples=12,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    # A failure is shown as it was found: making it smaller takes longer than
                    # reading its steps.
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
    finally:
        text = as_report("any order of things", World.results, World.discrepancies)
        report("money", text)
    assert World.discrepancies == []
    assert sum(len(result["tried"]) for result in World.results) > 0


@pytest.mark.load
def test_any_order_of_things_leaves_books_that_agree(world, record_property):
    _run_for(float(os.environ.get("MONEY_SECONDS", "20")), record_property)


@pytest.mark.deep
def test_any_order_of_things_for_as_long_as_told(world, record_property):
    _run_for(float(os.environ.get("MONEY_DEEP_SECONDS", "300")), record_property)


def _many_at_once(razorpay: SandboxServer, seconds: float, report: Any) -> None:
    plans = [PlanFactory(stock=10, price_paise=199_00), PlanFactory(stock=5, price_paise=49_99)]
    add_account(plans[0], seats=4)
    customers = [CustomerFactory() for _unused in range(4)]
    for customer in customers:
        give_money(customer, 2000_00)
    admin, seed = AdminFactory(), int(os.environ.get("MONEY_SEED") or random.randrange(10**6))
    task = {
        "processes": PROCESSES,
        "seconds": seconds,
        "seed": seed,
        "razorpay": razorpay.base_url,
        "customers": [str(customer.pk) for customer in customers],
        "plans": [str(plan.pk) for plan in plans],
        "admin": str(admin.pk),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.workload"],
        input=json.dumps(task) + "\n",
        env={
            **os.environ,
            "MONGODB_NAME": connection.settings_dict["NAME"],
            "RAZORPAY_KEY_ID": razorpay.key_id,
            "RAZORPAY_KEY_SECRET": razorpay.key_secret,
            "RAZORPAY_WEBHOOK_SECRET": razorpay.webhook_secret,
            "RAZORPAY_BASE_URL": razorpay.base_url,
            "LOG_LEVEL": "CRITICAL",
        },
        capture_output=True,
        text=True,
        timeout=seconds + 300,
        check=False,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-3000:]}"
    # The SDK prints what it stumbles over between the figures.
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    proxy = ScriptedProxy(database_address())
    with override_settings(**SETTINGS):
        shop = Shop(
            razorpay=razorpay,
            customers=customers,
            plans=plans,
            admin=admin,
            tag="end",
            proxy=proxy,
            alone=True,
        )
        shop.settle(seed)
        found = shop.discrepancies()
    proxy.close()
    text = as_report(f"{PROCESSES} processes at once, seed {seed}", results, found)
    report("money", text)
    assert found == []
    assert len(results) == PROCESSES


@pytest.mark.load
def test_many_processes_at_once_leave_books_that_agree(razorpay, record_property):
    # With the start and the settling of eight processes it is half of the minute of this module.
    _many_at_once(razorpay, float(os.environ.get("MONEY_CROWD_SECONDS", "7")), record_property)


@pytest.mark.deep
def test_many_processes_at_once_for_as_long_as_told(razorpay, record_property):
    _many_at_once(razorpay, float(os.environ.get("MONEY_DEEP_SECONDS", "300")), record_property)

"""A worker killed at any command of issuing leaves no gap, no double and nothing forgotten."""

import os
import subprocess
import sys

import pytest
from django.db import connection

from invoices.books import check_invoices
from invoices.models import CreditNote, DueDocument, Invoice, Series
from orders.refunds import refund_order
from tests.factories import CustomerFactory, give_money
from tests.faults.mongo_proxy import WRITES, KillingProxy
from tests.faults.victims import database_address, uri_of
from tests.invoices.conftest import GSTIN

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]


class Worker:
    """Issues in a process of its own, behind a proxy that kills it."""

    def __init__(self):
        self.proxy = KillingProxy(database_address())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.invoices.issue_once"],
            env={
                **os.environ,
                "MONGODB_URI": uri_of(self.proxy.port),
                "MONGODB_NAME": connection.settings_dict["NAME"],
                "SELLER_NAME": "Kiosk",
                "SELLER_ADDRESS": "1 Mall Road",
                "SELLER_GSTIN": GSTIN,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def issue(self, *, kill_at=0, after_reply=False):
        """Return what it said: how many papers, or "" when it was killed."""
        self._tell()
        self.proxy.aim(pid=int(self._hear()), kill_at=kill_at, after_reply=after_reply)
        self._tell()
        said = self._hear()
        if said != "ended":
            assert self._hear() == "ended"
        return "" if said == "ended" else said

    def close(self):
        self.process.kill()
        self.process.wait()
        self.proxy.close()

    def _tell(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def _hear(self):
        return self.process.stdout.readline().strip()


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.close()


def test_a_worker_killed_at_any_command_leaves_no_gap(worker, sell):
    customer = CustomerFactory(state_code="27")
    give_money(customer, 100_000_00)

    def sale():
        order = sell(user=customer)
        refund_order(order=order, amount_paise=50_00, reason="x", actor=None, key=order.number)

    # The first papers of a year make their counters besides.
    for _unused in range(2):
        sale()
        assert worker.issue() == "2"
    assert 10 < worker.proxy.count < 40
    # Of the reads before the first write one is enough.
    names = worker.proxy.names
    first = next(at for at, name in enumerate(names, start=1) if name in WRITES)
    issued, left_behind = 2, set()
    for kill_at in [1, *range(max(2, first), len(names) + 1)]:
        sale()
        assert worker.issue(kill_at=kill_at, after_reply=True) == ""
        left = DueDocument.objects.count()
        left_behind.add(left)
        # Whole or absent: a number is drawn exactly for the papers that are there.
        assert Invoice.objects.count() + CreditNote.objects.count() == 2 * issued + 2 - left
        assert sum(Series.objects.values_list("last", flat=True)) == 2 * issued + 2 - left
        assert list(check_invoices()) == []
        assert worker.issue() == str(left)
        issued += 1
    assert left_behind == {0, 1, 2}
    assert (Invoice.objects.count(), CreditNote.objects.count()) == (issued, issued)
    assert list(check_invoices()) == []

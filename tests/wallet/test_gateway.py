"""The client of Razorpay: every misbehaviour ends in time, in an error of ours, and is counted."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.utils import timezone

from wallet.circuit import CIRCUIT, Circuit
from wallet.errors import GatewayRefused, GatewayUnavailable
from wallet.gateway import RazorpayGateway
from wallet.models import Recharge

pytestmark = pytest.mark.django_db(transaction=True)
FAULTS = ["timeout", "hang", "lost_reply", "500", "502html", "429", "401", "409", "badjson"]


@pytest.fixture
def hasty(settings):
    settings.RAZORPAY_READ_TIMEOUT = 0.4
    return settings


@pytest.mark.parametrize("kind", FAULTS)
def test_every_misbehaviour_is_one_error_with_a_sentence(razorpay, hasty, kind, capsys):
    razorpay.fault(kind, count=9, seconds=60)
    started = time.monotonic()
    with pytest.raises(GatewayUnavailable, match="Razorpay does not answer just now"):
        RazorpayGateway().create_order(amount_paise=500_00, receipt="r-1")
    # All tries together keep to one timeout; the rest is for a loaded machine.
    assert time.monotonic() - started < 25
    # The log goes to stderr, line by line; the SDK would print between its lines.
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", ["lost_reply", "500", "502html", "429", "badjson"])
def test_a_safe_call_is_repeated_and_makes_one_order(razorpay, kind):
    razorpay.fault(kind, count=2)
    order_id = RazorpayGateway().create_order(amount_paise=500_00, receipt="r-1")
    assert [order["id"] for order in razorpay.control("state")["orders"]] == [order_id]


def test_a_capture_is_never_repeated_by_itself(razorpay, recharge):
    paid = razorpay.pay(recharge.razorpay_order_id, "authorized", webhook=False)
    gateway = RazorpayGateway()
    payment = gateway.fetch_payment(paid["payment_id"])
    razorpay.fault("500", path_prefix=f"/v1/payments/{payment.id}/capture", count=1)
    with pytest.raises(GatewayUnavailable):
        gateway.capture(payment)
    assert gateway.fetch_payment(payment.id).status == "authorized"


def test_a_definite_no_is_a_refusal_and_no_failure(razorpay, settings):
    settings.RAZORPAY_CIRCUIT_FAILURES = 1
    for _unused in range(2):
        with pytest.raises(GatewayRefused, match="Razorpay refused this payment"):
            RazorpayGateway().fetch_payment("pay_unknown")
    assert not CIRCUIT.is_open


def test_after_repeated_failures_nothing_is_asked_for_a_while(razorpay, settings):
    settings.RAZORPAY_CIRCUIT_FAILURES = 2
    gateway = RazorpayGateway()
    razorpay.fault("500", count=6)
    for _unused in range(3):
        with pytest.raises(GatewayUnavailable):
            gateway.create_order(amount_paise=500_00, receipt="r-1")
    # The third was not asked: its faults are used up by the first two.
    assert CIRCUIT.is_open
    assert razorpay.control("state")["orders"] == []
    settings.RAZORPAY_CIRCUIT_SECONDS = 0.0
    CIRCUIT.reset()
    assert gateway.create_order(amount_paise=500_00, receipt="r-1")


def test_the_open_circuit_lets_one_call_try_again(settings):
    settings.RAZORPAY_CIRCUIT_FAILURES, settings.RAZORPAY_CIRCUIT_SECONDS = 2, 10.0
    now = [0.0]
    circuit = Circuit(clock=lambda: now[0])
    for _unused in range(2):
        assert circuit.enter()
        circuit.leave(failed=True)
    assert [circuit.enter(), circuit.is_open] == [False, True]
    now[0] = 10.0
    assert [circuit.enter(), circuit.enter()] == [True, False]
    circuit.leave(failed=True)
    assert not circuit.enter()
    now[0] = 20.0
    assert circuit.enter()
    circuit.leave(failed=False)
    assert [circuit.enter(), circuit.enter()] == [True, True]


def test_so_many_calls_at_once_and_no_more(settings):
    settings.RAZORPAY_MAX_CALLS = 3
    circuit = Circuit()
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _number: circuit.enter(), range(8))) == 3
    circuit.leave(failed=False)
    assert [circuit.enter(), circuit.enter()] == [True, False]


def test_hanging_calls_leave_the_other_threads_free(razorpay, hasty):
    hasty.RAZORPAY_MAX_CALLS = 2
    hasty.RAZORPAY_READ_TIMEOUT = 3.0
    razorpay.fault("timeout", path_prefix="/v1/orders", count=9, seconds=60)
    together = Barrier(8)

    def call(number):
        together.wait()
        with pytest.raises(GatewayUnavailable):
            RazorpayGateway().create_order(amount_paise=500_00, receipt=f"r-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(8)))
    # Two hung, six were refused without asking: so many faults are left.
    left = razorpay.control("faults", {"kind": "500", "path_prefix": "/nowhere"})["faults"]
    assert left[0]["count"] == 7


def test_lists_are_read_to_their_end(razorpay, customer, monkeypatch):
    monkeypatch.setattr("wallet.gateway.PAGE", 2)
    gateway = RazorpayGateway()
    since = timezone.now() - timedelta(minutes=1)
    paid = []
    for number in range(5):
        order = gateway.create_order(amount_paise=500_00, receipt=f"r-{number}")
        paid.append(razorpay.pay(order, webhook=False)["payment_id"])
    found = gateway.payments_between(since=since, until=timezone.now())
    assert sorted(payment.id for payment in found) == sorted(paid)
    assert list(gateway.refunds_between(since=since, until=timezone.now())) == []
    assert Recharge.objects.count() == 0


@pytest.mark.parametrize("kind", ["500", "timeout"])
def test_a_page_says_so_and_keeps_what_was_typed(razorpay, hasty, customer, client_for, kind):
    razorpay.fault(kind, count=9, seconds=2)
    page = client_for(customer).post("/wallet/topup/", {"amount": "500", "key": "a"})
    assert page.status_code == 200
    assert "Razorpay does not answer just now. Please try again soon." in page.content.decode()
    assert page.context["form"]["amount"].value() == "500"
    assert page.context["form"]["key"].value() == "a"

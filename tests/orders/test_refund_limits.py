"""What is given back never exceeds what was paid, however it is cut into pieces."""

import pytest

from orders.books import check_books
from orders.errors import RefundRefused
from orders.models import Order, Refund
from orders.refunds import refund_order
from tests.factories import AdminFactory, PlanFactory, buy, give_money
from wallet.services import balance_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(customer):
    give_money(customer, 500_00)
    return buy(customer, PlanFactory())


def _refund(order, amount_paise, key):
    return refund_order(
        order=order,
        amount_paise=amount_paise,
        reason="broken",
        actor=AdminFactory(),
        key=key,
        take_back=False,
    )


@pytest.mark.parametrize("amount_paise", [0, -1, 199_01, 10**9])
def test_an_amount_outside_the_payment_changes_nothing(order, amount_paise):
    with pytest.raises(RefundRefused):
        _refund(order, amount_paise, "form")
    assert (Refund.objects.count(), balance_of(order.user_id)) == (0, 301_00)
    assert Order.objects.get().refunded_paise == 0


def test_pieces_end_where_the_payment_ends(order):
    _refund(order, 100_00, "first")
    with pytest.raises(RefundRefused):
        _refund(order, 99_01, "second")
    assert (Refund.objects.count(), balance_of(order.user_id)) == (1, 401_00)
    assert Order.objects.get().state == Order.State.PAID
    _refund(order, 99_00, "third")
    with pytest.raises(RefundRefused):
        _refund(order, 1, "fourth")
    fresh = Order.objects.get()
    assert (fresh.state, fresh.refunded_paise) == (Order.State.REFUNDED, 199_00)
    assert (Refund.objects.count(), balance_of(order.user_id)) == (2, 500_00)
    assert list(check_books()) == []


def test_a_key_that_refunded_one_amount_refunds_no_other(order):
    _refund(order, 50_00, "form")
    with pytest.raises(RefundRefused):
        _refund(order, 60_00, "form")
    assert (Refund.objects.count(), balance_of(order.user_id)) == (1, 351_00)

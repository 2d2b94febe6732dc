"""Stock moves by a difference, never below zero, each form once, and each move is kept."""

import pytest

from catalog.books import check_stock
from catalog.errors import StockRefused
from catalog.models import Plan, StockMovement
from catalog.services import restock
from tests.factories import AdminFactory, PlanFactory
from tests.rival import rival_before

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan():
    return PlanFactory(stock=5)


def _restock(plan, delta, key="form"):
    restock(plan=plan, delta=delta, note="counted", actor=None, key=key)


def _stock(plan):
    return Plan.objects.get(pk=plan.pk).stock


def test_a_form_sent_twice_moves_the_stock_once(plan):
    for _unused in range(2):
        restock(plan=plan, delta=3, note="counted", actor=AdminFactory(), key="form")
    assert _stock(plan) == 8
    assert StockMovement.objects.filter(key="restock:form", delta=3).count() == 1


def test_more_than_there_is_cannot_be_taken_away(plan):
    for delta in (-6, 0):
        with pytest.raises(StockRefused):
            _restock(plan, delta)
    assert (_stock(plan), StockMovement.objects.count()) == (5, 1)
    _restock(plan, -5)
    assert _stock(plan) == 0
    assert list(check_stock()) == []


def test_of_two_who_take_the_last_units_away_one_is_refused(plan):
    with rival_before("update", "products", lambda: _restock(plan, -4, "rival")) as rival:
        with pytest.raises(StockRefused):
            _restock(plan, -4)
    assert (rival.results, _stock(plan)) == ([None], 1)
    assert list(check_stock()) == []


def test_movements_cannot_be_changed_or_deleted(plan):
    movement = StockMovement.objects.get()
    movement.delta = 7
    for change in (
        movement.save,
        movement.delete,
        StockMovement.objects.all().delete,
        lambda: StockMovement.objects.update(delta=7),
        lambda: StockMovement.objects.bulk_update([movement], ["delta"]),
    ):
        with pytest.raises(TypeError, match="append-only"):
            change()
    assert StockMovement.objects.get().delta == 5

"""Many buyers of one plan at once: all come through, because who lost repeats in turn."""

import threading
import time

import pytest
from django.db import connection
from pymongo.errors import OperationFailure

from orders.books import check_books
from orders.models import Order
from ottsonly.mongo import in_transaction
from tests.factories import CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db(transaction=True)


def _together(number: int, work) -> list[BaseException]:
    errors: list[BaseException] = []

    def run(index: int) -> None:
        try:
            work(index)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return errors


def test_repeats_after_a_conflict_never_overlap():
    at_once: list[int] = []
    inside = 0

    def one(_index: int) -> None:
        tries = 0

        def work() -> None:
            nonlocal tries, inside
            tries += 1
            if tries == 1:
                label = {"errorLabels": ["TransientTransactionError"]}
                raise OperationFailure("write conflict", 112, label)
            inside += 1
            at_once.append(inside)
            # Long enough for the others to be seen inside, if they could be.
            time.sleep(0.02)
            inside -= 1

        in_transaction(work)

    assert _together(6, one) == []
    assert at_once == [1] * 6


@pytest.mark.load
def test_sixteen_buyers_of_one_plan_all_get_their_seat():
    plan = PlanFactory(stock=100)
    add_account(plan, seats=100)
    buyers = [CustomerFactory() for _ in range(16)]
    for user in buyers:
        give_money(user, 1_000_00)
    start = threading.Barrier(16)

    def one(index: int) -> None:
        start.wait(timeout=60)
        for _unused in range(3):
            buy(buyers[index], plan)

    assert _together(16, one) == []
    assert Order.objects.filter(state="completed").count() == 48
    plan.refresh_from_db()
    assert plan.stock == 52
    assert list(check_books()) == []

"""The books are read while the shop sells: nothing is reported that is not so, nothing written."""

import threading
import tracemalloc

import pytest
from bson import ObjectId
from django.db import DatabaseError, connection

from catalog.books import _stock_findings, check_stock
from orders.books import _order_findings, check_books, check_orders
from orders.refunds import refund_order
from ottsonly.errors import ShopError
from ottsonly.mongo import in_transaction
from subscriptions.books import _seat_findings, check_seats
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money
from tests.rival import rival_before
from wallet.books import _ledger_findings, check_ledger
from wallet.models import Recharge, Wallet
from wallet.services import balance_of, post_entry

pytestmark = pytest.mark.django_db(transaction=True)
# Commands that read the books of a shop whose every collection fits into one batch.
BOOKS = 38


@pytest.fixture
def plan():
    plan = PlanFactory(stock=50)
    add_account(plan, seats=50)
    return plan


@pytest.fixture
def buyer(customer):
    give_money(customer, 5000_00)
    return customer


def looked(look, pk):
    """Return what one look finds of one document, which it must have looked at."""
    [(looked_at, findings)] = look([pk])
    assert looked_at == pk
    return findings


def test_a_sale_between_two_reads_is_a_suspicion_and_no_finding(buyer, plan):
    account = plan.credentials.get()
    for look, pk, between, check in (
        (_stock_findings, plan.pk, "stock_movements", check_stock),
        (_seat_findings, account.pk, "subscriptions", check_seats),
        (_ledger_findings, buyer.pk, "wallet_transactions", check_ledger),
    ):
        # The first look alone would report: the sale is in its second read and not in its first.
        with rival_before("aggregate", between, lambda: buy(buyer, plan)):
            suspicion = looked(look, pk)
        assert [finding.document.rpartition(" ")[2] for finding in suspicion] == [str(pk)]
        # In one snapshot it is not: the rival sells between the two reads there as well.
        with rival_before("aggregate", between, lambda: buy(buyer, plan)):
            assert in_transaction(lambda look=look, pk=pk: looked(look, pk)) == []
        with rival_before("aggregate", between, lambda: buy(buyer, plan)):
            assert list(check()) == []


def test_a_refund_between_two_reads_is_a_suspicion_and_no_finding(buyer, plan):
    admin = AdminFactory()

    def refund():
        return refund_order(
            order=order, amount_paise=199_00, reason="broken", actor=admin, key=str(order.pk)
        )

    order = buy(buyer, plan)
    with rival_before("aggregate", "refunds", refund):
        suspicion = looked(_order_findings, order.pk)
    assert [finding.rule for finding in suspicion] == ["refunds never exceed the payment"]
    order = buy(buyer, plan)
    with rival_before("aggregate", "refunds", refund):
        assert list(check_orders()) == []


def test_nothing_is_found_while_threads_sell_refund_and_top_up(plan):
    admin = AdminFactory()
    people = [CustomerFactory() for _unused in range(3)]
    for person in people:
        give_money(person, 400_00)
    over = threading.Event()
    done = [0] * len(people)

    def trade(number):
        person = people[number]
        try:
            while not over.is_set() and done[number] < 200:
                _top_up(person)
                order = buy(person, plan)
                refund_order(
                    order=order,
                    amount_paise=199_00,
                    reason="broken",
                    actor=admin,
                    key=str(order.pk),
                )
                done[number] += 1
        except (ShopError, DatabaseError):
            # Sold out (a delivered unit does not come back), or beaten at every try.
            return
        finally:
            connection.close()

    threads = [threading.Thread(target=trade, args=(n,)) for n in range(len(people))]
    for thread in threads:
        thread.start()
    try:
        for _unused in range(3):
            assert list(check_books()) == []
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert min(done) > 0
    assert list(check_books()) == []


def _top_up(person):
    name = str(ObjectId())

    def work():
        recharge = Recharge.objects.create(
            user=person, amount_paise=100_00, key=name, state="completed", payment_id=name
        )
        post_entry(
            user_id=person.pk,
            amount_paise=100_00,
            reference_type="recharge",
            reference_id=str(recharge.pk),
            key=f"recharge:{recharge.pk}",
            description="Top-up",
        )

    in_transaction(work)


def test_reading_the_books_sends_no_write(buyer, plan, commands):
    buy(buyer, plan)
    commands.clear()
    assert list(check_books()) == []
    assert {command.split()[0] for command in commands} == {"aggregate"}


def test_orders_of_one_batch_are_asked_for_together(buyer, plan, commands):
    admin = AdminFactory()
    sent = []
    for more in (2, 3):
        for _unused in range(more):
            order = buy(buyer, plan)
        refund_order(order=order, amount_paise=1, reason="late", actor=admin, key=str(order.pk))
        commands.clear()
        assert list(check_books()) == []
        sent.append(len(commands))
    assert sent == [BOOKS, BOOKS]


def test_the_books_are_read_batch_by_batch(raw_client, customer, commands):
    give_money(customer, 100_00)
    wallets = raw_client[connection.settings_dict["NAME"]].wallets
    for _unused in range(3):
        wallets.insert_many(
            [{"user_id": ObjectId(), "balance_paise": 7, "sequence": 0} for _each in range(60)]
        )
    commands.clear()
    findings = check_books()
    first = next(findings)
    # The first is told while a part of the wallets, and all else, lies unread.
    assert first.document.startswith("wallet ")
    assert commands.count("aggregate wallet_transactions") < 10
    assert not {"aggregate orders", "aggregate products"} & set(commands)
    tracemalloc.start()
    told = sum(1 for _finding in findings) + 1
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told == 180
    assert "getMore" in {command.split()[0] for command in commands}
    assert Wallet.objects.count() == 181
    assert peak < 4_000_000
    assert balance_of(customer.pk) == 100_00

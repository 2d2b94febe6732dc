"""Two workers at once: no gap, no double; with a control that shows the test would see the bug."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from invoices.books import check_invoices
from invoices.models import CreditNote, DueDocument, Invoice, Series
from invoices.services import issue, issue_due_documents
from orders.refunds import refund_order
from tests.factories import CustomerFactory, give_money
from tests.rival import rival_before

pytestmark = pytest.mark.django_db(transaction=True)


def _together(count, job):
    def run(_number):
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def _sales(sell, count):
    customer = CustomerFactory(state_code="27")
    give_money(customer, count * 199_00)
    return [sell(user=customer) for _unused in range(count)]


def test_four_workers_leave_no_gap_and_no_double(sell):
    orders = _sales(sell, 12)
    for order in orders[:4]:
        refund_order(order=order, amount_paise=50_00, reason="x", actor=None, key=order.number)
    issued = _together(4, issue_due_documents)
    # What met another worker at the same paper is left to the next run.
    issued.append(issue_due_documents())
    assert sum(issued) == 16
    for model, count in ((Invoice, 12), (CreditNote, 4)):
        sequences = model.objects.order_by("sequence").values_list("sequence", flat=True)
        assert list(sequences) == list(range(1, count + 1))
    assert {invoice.order_id for invoice in Invoice.objects.all()} == {o.pk for o in orders}
    assert DueDocument.objects.count() == 0
    assert list(check_invoices()) == []


def test_a_rival_takes_the_same_paper_just_before(sell):
    _sales(sell, 1)
    due = DueDocument.objects.get()
    with rival_before("delete", "invoice_due", lambda: issue(due)) as rival:
        mine = issue(due)
    assert mine is None
    assert [invoice.number for invoice in rival.results] == [Invoice.objects.get().number]
    assert Series.objects.get().last == 1


def test_a_rival_draws_the_next_number_first(sell):
    _sales(sell, 3)
    first, second, third = DueDocument.objects.order_by("created_at")
    issue(first)
    with rival_before("update", "invoice_series", lambda: issue(third)) as rival:
        mine = issue(second)
    assert sorted([rival.results[0].sequence, mine.sequence]) == [2, 3]
    assert list(check_invoices()) == []


def test_two_notes_of_one_invoice_reckon_one_after_the_other(sell):
    (order,) = _sales(sell, 1)
    for place in range(2):
        refund_order(
            order=order,
            amount_paise=99_50,
            reason="x",
            actor=None,
            key=str(place),
            take_back=False,
        )
    invoice_due, first, second = DueDocument.objects.order_by("created_at")
    issue(invoice_due)
    with rival_before("insert", "credit_notes", lambda: issue_due_documents()) as rival:
        issue(first)
    issue_due_documents()
    assert len(rival.results) == 1
    assert sum(note.total_paise for note in CreditNote.objects.all()) == 199_00
    assert sorted(CreditNote.objects.values_list("credited_before_paise", flat=True)) == [0, 99_50]
    assert list(check_invoices()) == []


def test_control_a_number_read_before_it_is_written_would_be_given_twice(sell):
    _sales(sell, 2)
    issue_due_documents()
    key = Series.objects.get().key
    seen = [Series.objects.get(pk=key).last for _unused in range(2)]
    for last in seen:
        Series.objects.filter(pk=key).update(last=last + 1)
    assert Series.objects.get().last == 3
    found = [finding.detail for finding in check_invoices()]
    assert found == ["the counter is at 3, the last number is 2"]

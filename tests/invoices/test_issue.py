"""Numbers without gaps, drawn by the worker; invoices and credit notes as they should be."""

import re
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import IntegrityError

from invoices import services
from invoices.errors import SeriesFull
from invoices.models import CreditNote, DueDocument, Invoice, Series, financial_year
from invoices.services import issue
from invoices.tax import TaxSplit
from orders.models import Order
from orders.refunds import refund_order
from ottsonly.jobs import register_jobs, run_due_jobs
from tests.factories import CustomerFactory, PlanFactory, buy, give_money

pytestmark = pytest.mark.django_db
NEW_YEAR = datetime(2027, 3, 31, 18, 30, tzinfo=UTC)  # midnight in India, the 1st of April


def _refund(order, paise, key="r", **kwargs):
    return refund_order(
        order=order, amount_paise=paise, reason="x", actor=None, key=key, take_back=False, **kwargs
    )


def test_without_a_gstin_nothing_waits_and_nothing_is_issued(customer, issue_due):
    give_money(customer, 500_00)
    order = buy(customer, PlanFactory())
    _refund(order, 10_00)
    assert (DueDocument.objects.count(), issue_due()) == (0, 0)
    assert (Invoice.objects.count(), Series.objects.count()) == (0, 0)


def test_the_workers_job_gives_an_order_its_invoice(sell):
    order = sell()
    assert Invoice.objects.count() == 0
    register_jobs()
    run_due_jobs()
    invoice = Invoice.objects.get()
    year = financial_year(order.created_at)
    assert invoice.number == f"INV/{year}/0000001"
    assert re.fullmatch(r"[A-Za-z0-9/-]{1,16}", invoice.number)
    assert invoice.split == TaxSplit(168_64, 0, 0, 30_36)
    assert (invoice.order_id, invoice.user_id) == (order.pk, order.user_id)
    assert (invoice.seller_gstin, invoice.state_code) == ("29AAGCB7383J1Z4", "27")
    assert (invoice.sac_code, invoice.rate_bp, invoice.buyer_name) == ("998433", 1800, "Asha Verma")
    assert (DueDocument.objects.count(), Series.objects.get().last) == (0, 1)


def test_the_same_state_pays_both_halves(sell, issue_due):
    sell(state="29")
    assert issue_due() == 1
    invoice = Invoice.objects.get()
    assert invoice.split == TaxSplit(168_64, 15_18, 15_18, 0)
    assert invoice.within_state


def test_numbers_start_anew_with_the_financial_year_of_india(sell, issue_due):
    orders = [sell() for _unused in range(4)]
    dues = list(DueDocument.objects.order_by("created_at"))
    with time_machine.travel(NEW_YEAR, tick=False) as clock:
        clock.shift(-1)
        issue(dues[0])
        issue(dues[1])
        clock.shift(1)
        issue(dues[2])
        assert issue_due() == 1
    numbers = dict(Invoice.objects.values_list("order_id", "number"))
    assert [numbers[order.pk] for order in orders] == [
        "INV/2627/0000001",
        "INV/2627/0000002",
        "INV/2728/0000001",
        "INV/2728/0000002",
    ]


def test_dates_never_fall_behind_the_number_before(sell, issue_due):
    with time_machine.travel(NEW_YEAR, tick=False) as clock:
        sell()
        issue_due()
        clock.shift(-3600)  # a worker whose clock is slow, still in the year before
        sell()
        clock.shift(3630)
        issue_due()
        clock.shift(-20)  # and one that is slow within the year
        sell()
        issue_due()
    dates = list(Invoice.objects.order_by("sequence").values_list("issued_at", flat=True))
    assert dates == sorted(dates)
    assert (dates[2], Series.objects.get().last) == (dates[1], 3)


def test_partial_refunds_make_credit_notes_that_sum_to_the_invoice(sell, issue_due):
    order = sell(state="29")
    amounts = [33_33, 1, 99_99, 65_67]
    for place, paise in enumerate(amounts):
        _refund(order, paise, key=str(place))
    assert issue_due() == 5
    invoice = Invoice.objects.get()
    notes = list(CreditNote.objects.order_by("sequence"))
    assert [note.total_paise for note in notes] == amounts
    assert [note.credited_before_paise for note in notes] == [0, 33_33, 33_34, 133_33]
    year = financial_year(order.created_at)
    assert [note.number for note in notes] == [f"CRN/{year}/000000{n}" for n in (1, 2, 3, 4)]
    assert {note.invoice_id for note in notes} == {invoice.pk}
    names = ("taxable_paise", "cgst_paise", "sgst_paise", "igst_paise")
    sums = [sum(getattr(note, name) for note in notes) for name in names]
    assert TaxSplit(*sums) == invoice.split


def test_a_credit_note_waits_for_its_invoice(sell, issue_due):
    order = sell()
    _refund(order, 10_00)
    first, second = DueDocument.objects.order_by("created_at")
    assert issue(second) is None
    assert (CreditNote.objects.count(), DueDocument.objects.count()) == (0, 2)
    assert issue_due() == 2
    assert CreditNote.objects.get().invoice.order_id == order.pk


def test_issued_papers_cannot_be_changed_or_deleted(sell, issue_due):
    sell()
    issue_due()
    invoice = Invoice.objects.get()
    for attempt in (
        invoice.save,
        invoice.delete,
        Invoice.objects.all().delete,
        lambda: Invoice.objects.update(total_paise=1),
    ):
        with pytest.raises(TypeError, match="append-only"):
            attempt()
    assert Invoice.objects.get().total_paise == 199_00


def test_a_second_invoice_of_an_order_is_refused_and_draws_no_number(sell, issue_due):
    sell()
    due = DueDocument.objects.get()
    assert issue(due) is not None
    assert issue(due) is None
    # Even if the wait came back from the dead, the index holds, and the number is given back.
    DueDocument.objects.create(key=due.key, kind=due.kind)
    assert issue(due) is None
    assert (Invoice.objects.count(), Series.objects.get().last) == (1, 1)


def test_papers_that_cannot_be_written_keep_no_other_waiting(sell, issue_due, monkeypatch):
    monkeypatch.setattr(services, "BATCH", 2)
    sell()
    old = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(5):
        DueDocument.objects.create(key=f"order:{number:024}", kind="INV", created_at=old)
    with pytest.raises(Order.DoesNotExist):
        issue_due()
    assert (Invoice.objects.count(), Series.objects.get().last) == (1, 1)
    assert DueDocument.objects.count() == 5


def test_a_series_ends_before_its_numbers_grow_too_long(sell, issue_due):
    order = sell()
    year = financial_year(order.created_at)
    Series.objects.create(key=f"INV/{year}", last=9_999_998)
    issue_due()
    assert Invoice.objects.get().number == f"INV/{year}/9999999"
    sell()
    with pytest.raises(SeriesFull):
        issue_due()
    assert (Invoice.objects.count(), Series.objects.get().last) == (1, 9_999_999)


def test_a_purchase_waits_for_no_counter(sell, commands):
    customer = CustomerFactory(state_code="27")
    give_money(customer, 500_00)
    plan = PlanFactory()
    commands.clear()
    buy(customer, plan)
    assert [line for line in commands if "invoice" in line] == ["insert invoice_due"]


def test_control_a_row_of_credit_notes_cannot_fork(sell, issue_due):
    order = sell()
    _refund(order, 10_00)
    issue_due()
    note = CreditNote.objects.get()
    values = {field.attname: getattr(note, field.attname) for field in note._meta.fields}
    other = _refund(order, 5_00, key="second")
    values |= {"id": None, "refund_id": other.pk, "number": "CRN/2627/0000009", "sequence": 9}
    with pytest.raises(IntegrityError):
        CreditNote.objects.create(**values)

"""Each rule of the papers' books, broken once: exactly that document is named."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from invoices.books import GRACE, check_invoices
from invoices.models import CreditNote, DueDocument, Invoice, Series
from orders.models import Order, Refund
from orders.refunds import refund_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(sell, issue_due):
    """Two invoices, one of them with two credit notes; all of them an hour old."""
    orders = [sell(), sell(state="29")]
    for key in ("a", "b"):
        refund_order(
            order=orders[1], amount_paise=50_00, reason="x", actor=None, key=key, take_back=False
        )
    assert issue_due() == 4
    hour_ago = timezone.now() - timedelta(hours=1)
    Order.objects.update(created_at=hour_ago)
    _made_at(hour_ago)
    assert list(check_invoices()) == []
    return orders


def _made_at(moment, **which):
    # Refunds are append-only; the test alone moves them in time.
    connection.database["refunds"].update_many(which, {"$set": {"created_at": moment}})


def _tamper(model, which, **values):
    table = connection.database[model._meta.db_table]
    assert table.update_one({"number": which}, {"$set": values}).modified_count == 1


def _numbers(model):
    return list(model.objects.order_by("sequence").values_list("number", flat=True))


def _found():
    return [(finding.rule, finding.document) for finding in check_invoices()]


def test_a_gap_is_named(books):
    first, _second = _numbers(Invoice)
    series = first[:8]
    connection.database["invoices"].delete_one({"number": first})
    assert ("numbers are consecutive within series and year", f"series {series}") in _found()


def test_a_number_that_is_not_its_sequence_is_named(books):
    first, _second = _numbers(CreditNote)
    _tamper(CreditNote, first, number="CRN/2627/0000077")
    assert _found() == [("numbers are consecutive within series and year", f"series {first[:8]}")]


def test_a_date_out_of_row_is_named(books):
    first, second = _numbers(Invoice)
    issued_at = Invoice.objects.get(number=first).issued_at
    _tamper(Invoice, second, issued_at=issued_at - timedelta(seconds=1))
    rule = ("dates rise with the numbers within the year", f"series {first[:8]}")
    assert _found() == [rule]
    _tamper(Invoice, second, issued_at=issued_at + timedelta(days=366))
    assert _found() == [rule]


def test_a_counter_that_ran_away_is_named(books):
    key = _numbers(Invoice)[0][:8]
    Series.objects.filter(pk=key).update(last=3)
    assert _found() == [("a counter is at its last number", f"series {key}")]


def test_a_sale_without_its_invoice_is_named_once_it_is_old(sell, books):
    order = sell()
    assert _found() == []
    DueDocument.objects.all().delete()
    Order.objects.filter(pk=order.pk).update(
        created_at=timezone.now() - GRACE - timedelta(seconds=1)
    )
    rule = "an order sold with GST has its invoice, of its price and customer"
    assert _found() == [(rule, f"order {order.number}")]


def test_an_invoice_of_another_price_is_named(books):
    _tamper(Invoice, _numbers(Invoice)[0], total_paise=199_01, taxable_paise=168_65)
    assert _found() == [
        (
            "an order sold with GST has its invoice, of its price and customer",
            f"order {books[0].number}",
        )
    ]


def test_a_refund_without_its_note_is_named(books, sell):
    refund = Refund.objects.create(
        order=books[0], amount_paise=1, reason="x", actor=None, key="bare"
    )
    assert _found() == []
    _made_at(timezone.now() - 2 * GRACE, _id=refund.pk)
    rule = "a refund of an order sold with GST has its credit note"
    assert _found() == [(rule, f"refund {refund.pk}")]


def test_tax_that_is_a_paisa_off_is_named(books):
    _first, second = _numbers(Invoice)
    _tamper(Invoice, second, cgst_paise=15_19, sgst_paise=15_17)
    assert _found() == [("value and tax are those of the price and sum to it", f"invoice {second}")]


def test_notes_out_of_row_are_named(books):
    _first, second = _numbers(CreditNote)
    _tamper(CreditNote, second, credited_before_paise=60_00)
    rule = "credit notes stand in a row and sum to their part of the invoice"
    assert _found() == [(rule, f"credit note {second}")]


def test_notes_beyond_their_invoice_are_named(books):
    _first, second = _numbers(CreditNote)
    _tamper(CreditNote, second, total_paise=150_00)
    invoice = _numbers(Invoice)[1]
    assert ("credit notes never exceed their invoice", f"invoice {invoice}") in _found()


def test_the_command_asks_these_rules_too(books):
    call_command("check_books", stdout=StringIO())
    Series.objects.update(last=9)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("check_books", stdout=out, stderr=StringIO())
    assert out.getvalue().count("a counter is at its last number") == 2

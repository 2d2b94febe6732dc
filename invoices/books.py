"""Checks of the papers: numbers without gaps, no sale without its invoice, sums to the paisa."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from bson import ObjectId
from django.utils import timezone

from invoices.models import CreditNote, Invoice, Series, TaxDocument, financial_year
from invoices.tax import split_credit, split_price
from orders.models import Order, Refund
from ottsonly.findings import Finding, by_first, looked_at_twice
from ottsonly.mongo import in_transaction

# The worker writes within seconds; who waits longer than this was forgotten.
GRACE = timedelta(minutes=15)


def check_invoices() -> Iterator[Finding]:
    """Yield every paper, series, order and refund that breaks a rule; reads only, and streams."""
    for kind, model in (("INV", Invoice), ("CRN", CreditNote)):
        yield from _check_series(kind, model)
    old = timezone.now() - GRACE
    sold = Order.objects.filter(state_code__gt="", created_at__lt=old)
    yield from looked_at_twice(_order_findings, sold.values_list("pk", flat=True).iterator())
    given = Refund.objects.filter(created_at__lt=old)
    yield from looked_at_twice(_refund_findings, given.values_list("pk", flat=True).iterator())
    invoices = Invoice.objects.values_list("pk", flat=True)
    yield from looked_at_twice(_invoice_findings, invoices.iterator())


def _check_series(kind: str, model: type[TaxDocument]) -> Iterator[Finding]:
    counted = Series.objects.filter(pk__startswith=f"{kind}/").values_list("pk", flat=True)
    used = model.objects.order_by().values_list("series", flat=True).distinct()
    for key in sorted({*counted, *used}):
        # A number may be drawn between two reads: what looks wrong is read again in one snapshot.
        if _series_findings(model, key):
            yield from in_transaction(partial(_series_findings, model, key))


def _series_findings(model: type[TaxDocument], key: str) -> list[Finding]:
    name = f"series {key}"
    last = Series.objects.filter(pk=key).values_list("last", flat=True).first()
    rows = model.objects.filter(series=key).order_by("sequence")
    expected, issued_before = 0, None
    for sequence, number, issued_at in rows.values_list(
        "sequence", "number", "issued_at"
    ).iterator():
        expected += 1
        if sequence != expected or number != f"{key}/{expected:07d}":
            detail = f"{number} stands where {expected} should"
            return [Finding("numbers are consecutive within series and year", name, detail)]
        if financial_year(issued_at) != key[-4:] or (issued_before and issued_at < issued_before):
            detail = f"{number} is dated {issued_at}"
            return [Finding("dates rise with the numbers within the year", name, detail)]
        issued_before = issued_at
    if last != expected:
        detail = f"the counter is at {last}, the last number is {expected}"
        return [Finding("a counter is at its last number", name, detail)]
    return []


def _order_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    rule = "an order sold with GST has its invoice, of its price and customer"
    orders = list(Order.objects.filter(pk__in=pks).order_by())
    invoices = Invoice.objects.filter(order_id__in=pks).order_by()
    found_of = by_first(invoices.values_list("order_id", "user_id", "total_paise", "state_code"))
    for order in orders:
        found = found_of.get(order.pk, [])
        good = found == [(order.user_id, order.price_paise, order.state_code)]
        yield order.pk, [] if good else [Finding(rule, f"order {order.number}", f"found {found}")]


def _refund_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    rule = "a refund of an order sold with GST has its credit note"
    refunds = list(Refund.objects.filter(pk__in=pks).order_by())
    orders = Order.objects.filter(pk__in={refund.order_id for refund in refunds}).order_by()
    with_gst = set(orders.filter(state_code__gt="").values_list("pk", flat=True))
    notes = CreditNote.objects.filter(refund_id__in=pks).order_by()
    notes_of = by_first(notes.values_list("refund_id", "invoice_id", "total_paise"))
    invoices = {invoice_id for rows in notes_of.values() for invoice_id, _total in rows}
    # Asked for apart: a join would be made before the notes are narrowed down.
    sold = Invoice.objects.filter(pk__in=invoices).order_by().values_list("pk", "order_id")
    order_of = dict(sold)
    for refund in refunds:
        found = [(order_of.get(invoice), total) for invoice, total in notes_of.get(refund.pk, [])]
        good = refund.order_id not in with_gst or found == [(refund.order_id, refund.amount_paise)]
        yield refund.pk, [] if good else [Finding(rule, f"refund {refund.pk}", f"found {found}")]


def _invoice_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    invoices = list(Invoice.objects.filter(pk__in=pks).order_by())
    notes_of: dict[ObjectId, list[CreditNote]] = defaultdict(list)
    notes = CreditNote.objects.filter(invoice_id__in=pks)
    for note in notes.order_by("invoice_id", "credited_before_paise"):
        notes_of[note.invoice_id].append(note)
    for invoice in invoices:
        yield invoice.pk, _findings_of_invoice(invoice, notes_of[invoice.pk])


def _findings_of_invoice(invoice: Invoice, notes: list[CreditNote]) -> list[Finding]:
    split = split_price(
        invoice.total_paise, rate_bp=invoice.rate_bp, within_state=invoice.within_state
    )
    findings = []
    if invoice.split != split:
        findings.append(
            Finding(
                "value and tax are those of the price and sum to it",
                f"invoice {invoice}",
                f"is {invoice.split}, should be {split}",
            )
        )
    before = 0
    for note in notes:
        part = split_credit(split, before_paise=before, amount_paise=note.total_paise)
        if note.credited_before_paise != before or note.split != part:
            findings.append(
                Finding(
                    "credit notes stand in a row and sum to their part of the invoice",
                    f"credit note {note}",
                    f"is {note.split} after {note.credited_before_paise}, "
                    f"should be {part} after {before}",
                )
            )
        before += note.total_paise
    if before > invoice.total_paise:
        findings.append(
            Finding(
                "credit notes never exceed their invoice",
                f"invoice {invoice}",
                f"of {invoice.total_paise}, notes sum to {before}",
            )
        )
    return findings

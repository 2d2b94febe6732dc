"""Issuing: the number is drawn and the paper written in one transaction of its own."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings
from django.db import IntegrityError
from django.db.models import F, Sum
from django.utils.translation import gettext as _

from invoices.errors import SeriesFull
from invoices.models import (
    SEQUENCE_DIGITS,
    CreditNote,
    DueDocument,
    Invoice,
    Series,
    TaxDocument,
    financial_year,
)
from invoices.tax import TaxSplit, parse_rate, split_credit, split_price
from orders.models import Order, Refund
from ottsonly import clock
from ottsonly.jobs import may_continue
from ottsonly.mongo import in_transaction

logger = logging.getLogger(__name__)
BATCH = 200
T = TypeVar("T")


class _NoSeries(Exception):
    """The first paper of a financial year: its counter is made outside the transaction."""


def issue_due_documents() -> int:
    """Issue what is due, the oldest first, and return how many papers were written.

    Any number of workers may do it at once, and each may be killed anywhere: a paper, its number
    and the end of its wait are one transaction.
    """
    if not settings.SELLER_GSTIN:
        return 0
    issued, failed = 0, None
    stuck: list[str] = []
    while may_continue():
        waiting = DueDocument.objects.exclude(pk__in=stuck).order_by("created_at")
        found = list(waiting[:BATCH])
        before = len(stuck)
        for due in found:
            if not may_continue():
                break
            try:
                if issue(due) is not None:
                    issued += 1
                    continue
            except Exception as error:
                # One paper that cannot be written must not keep the others waiting.
                logger.exception("%s was not issued", due)
                failed = failed or error
            stuck.append(due.pk)
        # What fails or waits for its invoice must not hide what is behind it.
        if len(found) < BATCH or len(stuck) == before:
            break
    if failed is not None:
        raise failed
    return issued


def issue(due: DueDocument) -> TaxDocument | None:
    """Issue one paper; return None when it is issued already or its invoice is not yet.

    Raises:
        SeriesFull: the year's numbers are used up.
    """
    write = _write_invoice if due.kind == DueDocument.Kind.INVOICE else _write_credit_note
    try:
        return _with_series(due.kind, lambda: write(due))
    except IntegrityError:
        # Another worker took the same paper, or reckoned from the same earlier notes; what still
        # waits is taken up at the next run.
        return None


def _with_series(kind: str, work: Callable[[], T]) -> T:
    try:
        return in_transaction(work)
    except _NoSeries:
        # Another worker may make it at the same moment.
        with suppress(IntegrityError):
            Series.objects.create(key=_series_key(kind, clock.now()))
        return in_transaction(work)


def _series_key(kind: str, moment: datetime) -> str:
    return f"{kind}/{financial_year(moment)}"


def _draw(kind: str) -> dict[str, Any]:
    """Take the next number; it is given back with the transaction if that fails."""
    now = clock.now()
    key = _series_key(kind, now)
    if Series.objects.filter(pk=key).update(last=F("last") + 1) != 1:
        raise _NoSeries
    series = Series.objects.get(pk=key)
    if series.last >= 10**SEQUENCE_DIGITS:
        raise SeriesFull(_("The series %s has no number left.") % key)
    issued_at = max(now, series.last_issued_at or now)
    Series.objects.filter(pk=key).update(last_issued_at=issued_at)
    return {
        "series": key,
        "sequence": series.last,
        "number": f"{key}/{series.last:0{SEQUENCE_DIGITS}d}",
        "issued_at": issued_at,
    }


def _is_mine(due: DueDocument) -> bool:
    """End the wait; False when another worker did, who then wrote the paper too."""
    deleted, _by_model = DueDocument.objects.filter(pk=due.pk).delete()
    return deleted == 1


def _parts(split: TaxSplit) -> dict[str, int]:
    return {
        "total_paise": split.total_paise,
        "taxable_paise": split.taxable_paise,
        "cgst_paise": split.cgst_paise,
        "sgst_paise": split.sgst_paise,
        "igst_paise": split.igst_paise,
    }


def _write_invoice(due: DueDocument) -> Invoice | None:
    if not _is_mine(due):
        return None
    order = Order.objects.select_related("user").get(pk=due.reference_id)
    rate_bp = parse_rate(settings.GST_RATE_PERCENT)
    split = split_price(
        order.price_paise,
        rate_bp=rate_bp,
        within_state=order.state_code == settings.SELLER_STATE_CODE,
    )
    return Invoice.objects.create(
        order=order,
        user_id=order.user_id,
        seller_name=settings.SELLER_NAME,
        seller_address=settings.SELLER_ADDRESS,
        seller_gstin=settings.SELLER_GSTIN,
        buyer_name=order.user.name,
        buyer_phone=order.user.phone,
        state_code=order.state_code,
        description=f"{order.platform_name} {order.plan_name}, {order.duration_text}",
        sac_code=settings.SAC_CODE,
        rate_bp=rate_bp,
        **_parts(split),
        **_draw(due.kind),
    )


def _write_credit_note(due: DueDocument) -> CreditNote | None:
    refund = Refund.objects.get(pk=due.reference_id)
    invoice = Invoice.objects.filter(order_id=refund.order_id).first()
    if invoice is None or not _is_mine(due):
        return None
    notes = CreditNote.objects.filter(invoice=invoice)
    before = notes.aggregate(total=Sum("total_paise"))["total"] or 0
    split = split_credit(invoice.split, before_paise=before, amount_paise=refund.amount_paise)
    copied = (
        "user_id",
        "seller_name",
        "seller_address",
        "seller_gstin",
        "buyer_name",
        "buyer_phone",
        "state_code",
        "description",
        "sac_code",
        "rate_bp",
    )
    return CreditNote.objects.create(
        invoice=invoice,
        refund=refund,
        credited_before_paise=before,
        **{name: getattr(invoice, name) for name in copied},
        **_parts(split),
        **_draw(due.kind),
    )

"""Razorpay's books against ours: what nobody reported is found, what nobody explains is named."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import F, Sum
from django.utils import timezone

from ottsonly.jobs import may_continue, stopping
from wallet.errors import GatewayRefused, GatewayUnavailable, TopUpRefused
from wallet.gateway import CURRENCY, GatewayRefund, Payment, RazorpayGateway
from wallet.models import OpenItem, Recharge, SourceRefund, WalletTransaction
from wallet.open_items import record_open_item
from wallet.recharges import complete_recharge
from wallet.source_refunds import apply_refund_news

logger = logging.getLogger(__name__)
T = TypeVar("T")

EXPIRES_AFTER = timedelta(hours=24)
LONGEST_PAUSE = timedelta(hours=1)
# Lost news is looked for today and over so many days before, by the day on which a payment was
# begun: it may be captured some days later.
RECENT_DAYS = 7
DAY = timedelta(days=1)
# How often the job runs; each run begins with another one of the earlier days.
RUN_SECONDS = 900
CHUNK = 100


def reconcile_pending(*, limit: int = 20) -> int:
    """Ask Razorpay about top-ups whose payment nobody reported; return how many were credited.

    Each is asked for at growing distances, by one worker at a time. What is not paid within a day
    expires, and a payment that comes later still is credited.
    """
    due = Recharge.objects.filter(
        state__in=[Recharge.State.PENDING, Recharge.State.FAILED],
        razorpay_order_id__gt="",
        next_check_at__lte=timezone.now(),
    )
    return sum(
        state == Recharge.State.COMPLETED
        for state in _ask_each(due.order_by("next_check_at"), limit)
    )


def expire_old(*, older_than: timedelta = EXPIRES_AFTER, limit: int = 100) -> int:
    """Close the top-ups that nobody paid in time and return how many.

    Razorpay is asked first, so that a paid one is credited instead; while it does not answer
    nothing expires. One without an order there cannot have been paid.
    """
    now = timezone.now()
    old = Recharge.objects.filter(state=Recharge.State.PENDING, created_at__lt=now - older_than)
    expired = old.filter(razorpay_order_id__isnull=True).update(
        state=Recharge.State.EXPIRED, next_check_at=None
    )
    asked = old.filter(next_check_at__lte=now).order_by("created_at")
    return expired + sum(
        state == Recharge.State.EXPIRED for state in _ask_each(asked, limit, older_than=older_than)
    )


def _ask_each(
    recharges: Any, limit: int, *, older_than: timedelta = EXPIRES_AFTER
) -> Iterator[str]:
    """Ask about each and yield the state that it has then; stops when Razorpay does not answer."""
    if not settings.RAZORPAY_KEY_ID:
        return
    for recharge in recharges[:limit]:
        if not may_continue():
            return
        now = timezone.now()
        pause = min(LONGEST_PAUSE, timedelta(minutes=2) * 2 ** min(recharge.checks, 10))
        claimed = Recharge.objects.filter(pk=recharge.pk, checks=recharge.checks).update(
            checks=F("checks") + 1, next_check_at=now + pause
        )
        if claimed != 1:
            continue
        try:
            _ask(recharge)
        except GatewayUnavailable:
            return
        except Exception:
            # Its next check is set; the ones behind it must not wait for it.
            logger.exception("top-up %s could not be checked", recharge.pk)
            continue
        if recharge.created_at < now - older_than:
            open_now = Recharge.objects.filter(pk=recharge.pk)
            open_now.filter(state=Recharge.State.PENDING).update(state=Recharge.State.EXPIRED)
            open_now.exclude(state=Recharge.State.COMPLETED).update(next_check_at=None)
        recharge.refresh_from_db()
        yield recharge.state


def _ask(recharge: Recharge) -> None:
    payments = RazorpayGateway().order_payments(str(recharge.razorpay_order_id))
    for payment in _first_paid_first(payments):
        if payment.was_captured or payment.status == "authorized":
            _complete(recharge, payment)


def _first_paid_first(newest_first: list[Payment]) -> list[Payment]:
    """Put payments into the order in which they count.

    Should there be two on one order, the one captured first is the top-up, and what is only
    authorised is not captured besides it.
    """

    def order(payment: Payment) -> tuple[bool, float]:
        age = payment.created_at.timestamp() if payment.created_at else 0.0
        return not payment.was_captured, age

    # Razorpay lists the newest first, and its times are whole seconds.
    oldest_first = list(reversed(newest_first))
    oldest_first.sort(key=order)
    return oldest_first


def _complete(recharge: Recharge, payment: Payment) -> None:
    try:
        complete_recharge(recharge=recharge, payment=payment, source=Recharge.Source.RECONCILIATION)
    except GatewayUnavailable:
        raise
    except TopUpRefused as refusal:
        logger.warning("payment %s does not fit top-up %s: %s", payment.id, recharge.pk, refusal)


class TooMuchForOneRun(Exception):
    """The job fails, so that people are told: the comparison has to be made by the command."""


class _OutOfTime(Exception):
    """The job must end; a report of a part would call the rest a difference."""


def reconcile_recent() -> int:
    """Look for lost news of the last days; return what stays unexplained, in paise.

    Day by day (of the shop's time zone), each by itself, so that what fits into the budget of a job
    is done whole: today first, then the days before from a different one on at each run. A day
    whose books differ becomes an open item, once for the same difference.

    Raises:
        TooMuchForOneRun: not even today fits, so nothing is compared any more.
    """
    if not settings.RAZORPAY_KEY_ID:
        return 0
    now = timezone.now()
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    turn = int(now.timestamp()) // RUN_SECONDS
    earlier = [1 + (turn + number) % RECENT_DAYS for number in range(RECENT_DAYS)]
    difference = 0
    for days_ago in [0, *earlier]:
        if not may_continue():
            break
        since = today - days_ago * DAY
        # Both ends are included, so a whole day ends just before the next one.
        until = since + DAY - timedelta(milliseconds=1) if days_ago else now
        try:
            report = reconcile(since=since, until=until)
        except _OutOfTime:
            logger.info("no time left to reconcile the day from %s", since)
            if not days_ago and not stopping():
                # It had all the time there is, and the next run would end here again.
                raise TooMuchForOneRun(f"the payments of {since:%Y-%m-%d} take too long") from None
            break
        except GatewayUnavailable:
            break
        if report.difference_paise:
            difference += report.difference_paise
            _name_difference(report)
    return difference


def _name_difference(report: "Report") -> None:
    """Tell the operators of a day whose books differ; another difference is another item."""
    day = f"{report.since:%Y-%m-%d}"
    logger.error("the books of %s differ by %s", day, report.difference_paise)
    record_open_item(
        kind=OpenItem.Kind.DIFFERENCE,
        reference=f"{day}/{report.difference_paise}",
        amount_paise=report.difference_paise,
        detail=f"run reconcile_payments --since {day} --until {day}, then check_books",
    )


def _in_time(items: Iterable[T]) -> Iterator[T]:
    """Yield the items while the running job may go on.

    Raises:
        _OutOfTime: it may not; outside of a job that never happens.
    """
    for item in items:
        if not may_continue():
            raise _OutOfTime
        yield item


@dataclass
class Report:
    """The two books over one time, in paise; items are signed, each with its name."""

    since: datetime
    until: datetime
    captured_paise: int = 0
    refunded_paise: int = 0
    credited_paise: int = 0
    source_refunds_paise: int = 0
    fees_paise: int = 0
    tax_paise: int = 0
    items: list[OpenItem] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)

    @property
    def items_paise(self) -> int:
        return sum(item.amount_paise for item in self.items)

    @property
    def difference_paise(self) -> int:
        """0 when captured - refunded = credited - source refunds + items."""
        at_razorpay = self.captured_paise - self.refunded_paise
        return at_razorpay - (self.credited_paise - self.source_refunds_paise + self.items_paise)

    @property
    def settlement_paise(self) -> int:
        """What Razorpay pays out of this; its fee includes the tax, here they are apart."""
        return self.captured_paise - self.refunded_paise - self.fees_paise - self.tax_paise


def reconcile(*, since: datetime, until: datetime | None = None) -> Report:
    """Compare everything that Razorpay has of a time with ours; make good what was lost.

    Payments and refunds created from `since` to `until` (default: now) are taken as Razorpay lists
    them. What news was lost is applied, what cannot be explained becomes an open item.

    Raises:
        GatewayUnavailable: Razorpay does not answer; what was done until then stays done.
    """
    gateway = RazorpayGateway()
    report = Report(since=since, until=until or timezone.now())
    payments = list(_in_time(gateway.payments_between(since=report.since, until=report.until)))
    refunds = list(_in_time(gateway.refunds_between(since=report.since, until=report.until)))
    for chunk in _chunks(_first_paid_first(payments)):
        _account_for_payments(chunk, report)
    for refund in _in_time(refunds):
        if refund.status in ("processed", "failed"):
            apply_refund_news(refund)
    strangers = _credits_without_payment(gateway, {payment.id for payment in payments}, report)
    missing = _refunds_without_source(gateway, {refund.id for refund in refunds}, report)
    _add_up(report, payments, refunds, strangers, missing)
    return report


def _account_for_payments(payments: list[Payment], report: Report) -> None:
    # An empty text is in no index: the partial one holds the orders that there are.
    orders = {payment.order_id for payment in payments} - {""}
    found = Recharge.objects.filter(razorpay_order_id__in=orders)
    by_order = {recharge.razorpay_order_id: recharge for recharge in found}
    for payment in _in_time(payments):
        if not payment.was_captured and payment.status != "authorized":
            continue
        recharge = by_order.get(payment.order_id)
        if recharge is None:
            if payment.was_captured:
                record_open_item(
                    kind=OpenItem.Kind.NO_RECHARGE,
                    reference=payment.id,
                    amount_paise=payment.amount_paise if payment.currency == CURRENCY else 0,
                )
        elif recharge.payment_id != payment.id:
            before = recharge.state
            _complete(recharge, payment)
            recharge.refresh_from_db()
            if recharge.state != before:
                report.recovered.append(f"top-up {recharge.pk} by {payment.id}")


def _credits_without_payment(
    gateway: RazorpayGateway, listed: set[str], report: Report
) -> list[Recharge]:
    """Return the credited top-ups whose payment Razorpay does not know, each an open item."""
    credited = Recharge.objects.filter(
        state=Recharge.State.COMPLETED,
        completed_at__gte=report.since,
        completed_at__lte=report.until,
    )
    unknown = []
    for recharge in _in_time(credited.iterator()):
        if recharge.payment_id in listed or _is_captured(gateway, str(recharge.payment_id or "")):
            continue
        record_open_item(
            kind=OpenItem.Kind.NOT_AT_RAZORPAY,
            reference=str(recharge.pk),
            amount_paise=-recharge.amount_paise,
            recharge=recharge,
            detail=f"credited as {recharge.payment_id}",
        )
        unknown.append(recharge)
    return unknown


def _is_captured(gateway: RazorpayGateway, payment_id: str) -> bool:
    """Whether an earlier payment, paid before the time that is looked at, came to us."""
    if not payment_id:
        return False
    try:
        return gateway.fetch_payment(payment_id).was_captured
    except GatewayRefused:
        return False


def _refunds_without_source(
    gateway: RazorpayGateway, listed: set[str], report: Report
) -> list[SourceRefund]:
    """Return our finished refunds that Razorpay does not have, each an open item."""
    finished = SourceRefund.objects.select_related("recharge").filter(
        state=SourceRefund.State.PROCESSED,
        finished_at__gte=report.since,
        finished_at__lte=report.until,
    )
    missing = []
    for refund in _in_time(finished.iterator()):
        if refund.razorpay_refund_id in listed:
            continue
        try:
            known = gateway.refunds_of(str(refund.recharge.payment_id))
        except GatewayRefused:
            known = []
        if any(source.id == refund.razorpay_refund_id for source in known):
            continue
        record_open_item(
            kind=OpenItem.Kind.REFUND_MISSING,
            reference=str(refund.pk),
            amount_paise=refund.amount_paise,
            recharge=refund.recharge,
            detail="processed here, unknown at Razorpay",
        )
        missing.append(refund)
    return missing


def _add_up(
    report: Report,
    payments: list[Payment],
    refunds: list[GatewayRefund],
    strangers: list[Recharge],
    missing: list[SourceRefund],
) -> None:
    """Sum both sides: Razorpay's from its lists, ours from the ledger and the open items."""
    captured = [p for p in payments if p.was_captured and p.currency == CURRENCY]
    given_back = [refund for refund in refunds if refund.status == "processed"]
    report.captured_paise = sum(payment.amount_paise for payment in captured)
    report.refunded_paise = sum(refund.amount_paise for refund in given_back)
    report.tax_paise = sum(payment.tax_paise for payment in captured)
    report.fees_paise = sum(payment.fee_paise for payment in captured) - report.tax_paise
    keys = [f"recharge:{recharge.pk}" for recharge in strangers]
    for chunk in _chunks(captured):
        credited = Recharge.objects.filter(payment_id__in=[payment.id for payment in chunk])
        keys += [f"recharge:{pk}" for pk in credited.values_list("pk", flat=True)]
    report.credited_paise = _ledger_sum(keys)
    keys = [f"source_refund:{refund.pk}" for refund in missing]
    # Failed ones too: one that we hold for processed must show, by its open item. A pending one
    # may end while this runs and counts on neither side.
    for chunk in _chunks([refund for refund in refunds if refund.status != "pending"]):
        ours = SourceRefund.objects.filter(
            state=SourceRefund.State.PROCESSED,
            razorpay_refund_id__in=[refund.id for refund in chunk],
        )
        keys += [f"source_refund:{pk}" for pk in ours.values_list("pk", flat=True)]
    report.source_refunds_paise = -_ledger_sum(keys)
    references = [payment.id for payment in payments] + [refund.id for refund in refunds]
    references += [str(recharge.pk) for recharge in strangers]
    references += [key.removeprefix("source_refund:") for key in keys]
    for chunk in _chunks(references):
        report.items += OpenItem.objects.filter(reference__in=chunk).order_by("created_at")


def _ledger_sum(keys: list[str]) -> int:
    total = 0
    for chunk in _chunks(keys):
        entries = WalletTransaction.objects.filter(key__in=chunk)
        total += entries.aggregate(total=Sum("amount_paise"))["total"] or 0
    return total


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(items)
    while chunk := list(islice(left, CHUNK)):
        yield chunk

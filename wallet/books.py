"""Checks of the ledger's books."""

from collections.abc import Iterator

from bson import ObjectId
from django.db.models import Sum

from ottsonly.findings import Finding, looked_at_twice
from wallet.models import OpenItem, Recharge, SourceRefund, Wallet, WalletTransaction


def check_ledger() -> Iterator[Finding]:
    """Yield each wallet whose balance is not the sum, or the end of the chain, of its ledger."""
    yield from looked_at_twice(
        _ledger_findings, Wallet.objects.values_list("pk", flat=True).iterator()
    )
    owners = WalletTransaction.objects.order_by().values_list("user_id", flat=True).distinct()
    yield from looked_at_twice(
        _ledger_findings,
        (pk for pk in owners.iterator() if not Wallet.objects.filter(pk=pk).exists()),
    )


def _ledger_findings(user_id: ObjectId) -> list[Finding]:
    wallet = Wallet.objects.filter(pk=user_id).first()
    total = expected = 0
    rows = WalletTransaction.objects.filter(user_id=user_id).order_by("sequence")
    for row in rows.values_list("sequence", "amount_paise", "balance_after_paise").iterator():
        sequence, amount, after = row
        expected, total = expected + 1, total + amount
        if sequence != expected or after != total or total < 0:
            return [
                Finding(
                    "the ledger is one unbroken chain",
                    f"wallet {user_id}",
                    f"entry {sequence}: balance after is {after}, should be {total} at {expected}",
                )
            ]
    if wallet is None:
        return [
            Finding(
                "every ledger has its wallet",
                f"wallet {user_id}",
                f"missing; its ledger sums to {total} at {expected}",
            )
        ]
    if (wallet.balance_paise, wallet.sequence) != (total, expected):
        return [
            Finding(
                "a balance equals the sum of its ledger",
                f"wallet {user_id}",
                f"balance is {wallet.balance_paise} at {wallet.sequence}, "
                f"ledger sums to {total} at {expected}",
            )
        ]
    return []


def check_recharges() -> Iterator[Finding]:
    """Yield each top-up that was credited without being completed, or the other way round."""
    yield from looked_at_twice(
        _recharge_findings, Recharge.objects.values_list("pk", flat=True).iterator()
    )
    credits = WalletTransaction.objects.filter(reference_type="recharge").order_by()
    # A top-up is saved long before its entry and never deleted: no second look is needed.
    for reference in credits.values_list("reference_id", flat=True).iterator():
        known = ObjectId.is_valid(reference) and Recharge.objects.filter(pk=reference).exists()
        if not known:
            yield Finding(
                "a top-up's ledger entry has its top-up",
                f"recharge {reference}",
                "there is an entry, but no top-up",
            )


def _recharge_findings(pk: ObjectId) -> list[Finding]:
    recharge = Recharge.objects.get(pk=pk)
    entries = list(
        WalletTransaction.objects.filter(
            reference_type="recharge", reference_id=str(pk)
        ).values_list("user_id", "amount_paise")
    )
    completed = recharge.state == Recharge.State.COMPLETED
    expected = [(recharge.user_id, recharge.amount_paise)] if completed else []
    name = f"recharge {pk}"
    findings = []
    if entries != expected:
        findings.append(
            Finding(
                "a completed top-up has exactly one ledger entry",
                name,
                f"state is {recharge.state}, entries found: {entries}",
            )
        )
    if completed and not recharge.payment_id:
        findings.append(Finding("a completed top-up names its payment", name, "no payment id"))
    back = SourceRefund.objects.filter(recharge_id=pk).exclude(state=SourceRefund.State.FAILED)
    total = back.aggregate(total=Sum("amount_paise"))["total"] or 0
    if total != recharge.refunded_paise or total > (recharge.amount_paise if completed else 0):
        findings.append(
            Finding(
                "what went back to its source never exceeds the top-up",
                name,
                f"{recharge.state}, {recharge.amount_paise} paise, refunded_paise "
                f"{recharge.refunded_paise}, refunds to source sum to {total}",
            )
        )
    return findings


def check_source_refunds() -> Iterator[Finding]:
    """Yield each refund to source whose money is not in exactly one place."""
    yield from looked_at_twice(
        _source_refund_findings, SourceRefund.objects.values_list("pk", flat=True).iterator()
    )
    entries = WalletTransaction.objects.filter(reference_type="source_refund").order_by()
    # The refund is written in the transaction of its entry: no second look is needed.
    for reference in entries.values_list("reference_id", flat=True).iterator():
        known = ObjectId.is_valid(reference) and SourceRefund.objects.filter(pk=reference).exists()
        if not known:
            yield Finding(
                "an entry of a refund to source has its refund",
                f"source refund {reference}",
                "there is an entry, but no refund",
            )


def _source_refund_findings(pk: ObjectId) -> list[Finding]:
    refund = SourceRefund.objects.select_related("recharge").get(pk=pk)
    name = f"source refund {pk}"
    entries = WalletTransaction.objects.filter(
        reference_type="source_refund", reference_id=str(pk)
    ).order_by("sequence")
    found = list(entries.values_list("key", "user_id", "amount_paise"))
    expected = [(f"source_refund:{pk}", refund.user_id, -refund.amount_paise)]
    if refund.state == SourceRefund.State.FAILED:
        expected.append((f"source_refund_back:{pk}", refund.user_id, refund.amount_paise))
    findings = []
    if found != expected:
        findings.append(
            Finding(
                "a refund to source left the wallet once, and came back only if it failed",
                name,
                f"state is {refund.state}, entries found: {found}",
            )
        )
    if refund.user_id != refund.recharge.user_id:
        findings.append(
            Finding(
                "a refund to source belongs to the top-up's customer",
                name,
                f"user {refund.user_id}, top-up of {refund.recharge.user_id}",
            )
        )
    ended = refund.state != SourceRefund.State.REQUESTED
    if ended != (refund.finished_at is not None):
        findings.append(
            Finding(
                "a refund to source has an end when it ended",
                name,
                f"state is {refund.state}, finished_at is {refund.finished_at}",
            )
        )
    return findings


def check_open_items() -> Iterator[Finding]:
    """Yield each closed item that does not say by whom and why."""
    closed = OpenItem.objects.filter(state=OpenItem.State.CLOSED)
    for item in closed.iterator():
        if not item.note or item.closed_by_id is None or item.closed_at is None:
            yield Finding(
                "a closed item says by whom and why",
                f"open item {item.pk}",
                f"note {item.note!r}, by {item.closed_by_id}, at {item.closed_at}",
            )

"""Checks of the ledger's books."""

from collections.abc import Iterator

from bson import ObjectId

from ottsonly.findings import Finding, looked_at_twice
from wallet.models import Recharge, Wallet, WalletTransaction


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
    if entries == expected:
        return []
    return [
        Finding(
            "a completed top-up has exactly one ledger entry",
            f"recharge {pk}",
            f"state is {recharge.state}, entries found: {entries}",
        )
    ]

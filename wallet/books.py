"""Checks of the ledger's books."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from bson import ObjectId
from django.db.models import Model

from ottsonly.findings import Finding, by_first, in_batches, looked_at_twice
from wallet.models import OpenItem, Recharge, SourceRefund, Wallet, WalletTransaction


def check_ledger() -> Iterator[Finding]:
    """Yield each wallet whose balance is not the sum, or the end of the chain, of its ledger."""
    yield from looked_at_twice(
        _ledger_findings, Wallet.objects.values_list("pk", flat=True).iterator()
    )
    owners = WalletTransaction.objects.order_by().values_list("user_id", flat=True).distinct()
    yield from looked_at_twice(
        _ledger_findings, (pk for batch in in_batches(owners.iterator()) for pk in _homeless(batch))
    )


def _homeless(owners: list[ObjectId]) -> list[ObjectId]:
    """Return those of the owners of ledgers who have no wallet."""
    known = set(Wallet.objects.filter(pk__in=owners).order_by().values_list("pk", flat=True))
    return [owner for owner in owners if owner not in known]


def _ledger_findings(user_ids: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    wallets = Wallet.objects.in_bulk(user_ids)
    # In the order of the index that keeps the chain; only one batch of rows is held at a time.
    rows = WalletTransaction.objects.filter(user_id__in=user_ids).order_by("user_id", "sequence")
    ledgers = groupby(
        rows.values_list("user_id", "sequence", "amount_paise", "balance_after_paise").iterator(),
        key=itemgetter(0),
    )
    seen = set()
    for user_id, ledger in ledgers:
        seen.add(user_id)
        yield user_id, _findings_of_ledger(user_id, wallets.get(user_id), ledger)
    for user_id in user_ids:
        if user_id not in seen:
            yield user_id, _findings_of_ledger(user_id, wallets.get(user_id), ())


def _findings_of_ledger(
    user_id: ObjectId, wallet: Wallet | None, ledger: Iterable[tuple[ObjectId, int, int, int]]
) -> list[Finding]:
    total = expected = 0
    for _user_id, sequence, amount, after in ledger:
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
    for batch in in_batches(credits.values_list("reference_id", flat=True).iterator()):
        for reference in unknown_references(Recharge, batch):
            yield Finding(
                "a top-up's ledger entry has its top-up",
                f"recharge {reference}",
                "there is an entry, but no top-up",
            )


def _recharge_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    recharges = list(Recharge.objects.filter(pk__in=pks).order_by())
    entries = entries_of("recharge", pks)
    back = SourceRefund.objects.filter(recharge_id__in=pks).exclude(state=SourceRefund.State.FAILED)
    given_back = by_first(back.order_by().values_list("recharge_id", "amount_paise"))
    for recharge in recharges:
        total = sum(amount for (amount,) in given_back.get(recharge.pk, []))
        found = entries.get(str(recharge.pk), [])
        yield recharge.pk, _findings_of_recharge(recharge, found, total)


def _findings_of_recharge(
    recharge: Recharge, entries: list[tuple[Any, ...]], total: int
) -> list[Finding]:
    completed = recharge.state == Recharge.State.COMPLETED
    expected = [(recharge.user_id, recharge.amount_paise)] if completed else []
    name = f"recharge {recharge.pk}"
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
    for batch in in_batches(entries.values_list("reference_id", flat=True).iterator()):
        for reference in unknown_references(SourceRefund, batch):
            yield Finding(
                "an entry of a refund to source has its refund",
                f"source refund {reference}",
                "there is an entry, but no refund",
            )


def unknown_references(model: type[Model], references: list[str]) -> list[str]:
    """Return those references of ledger entries or stock movements that name no document."""
    pks = [ObjectId(reference) for reference in references if ObjectId.is_valid(reference)]
    known = set(model._default_manager.filter(pk__in=pks).order_by().values_list("pk", flat=True))
    return [
        reference
        for reference in references
        if not ObjectId.is_valid(reference) or ObjectId(reference) not in known
    ]


def entries_of(reference_type: str, pks: Iterable[ObjectId]) -> dict[str, list[tuple[Any, ...]]]:
    """Return user and amount in paise of the ledger entries of each document, by its id."""
    entries = WalletTransaction.objects.filter(
        reference_type=reference_type, reference_id__in=[str(pk) for pk in pks]
    )
    return by_first(entries.order_by().values_list("reference_id", "user_id", "amount_paise"))


def _source_refund_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    refunds = list(SourceRefund.objects.filter(pk__in=pks).order_by())
    recharges = Recharge.objects.filter(pk__in={refund.recharge_id for refund in refunds})
    owners = dict(recharges.order_by().values_list("pk", "user_id"))
    entries = WalletTransaction.objects.filter(
        reference_type="source_refund", reference_id__in=[str(pk) for pk in pks]
    ).order_by("sequence")
    found = by_first(entries.values_list("reference_id", "key", "user_id", "amount_paise"))
    for refund in refunds:
        yield (
            refund.pk,
            _findings_of_source_refund(
                refund, found.get(str(refund.pk), []), owners.get(refund.recharge_id)
            ),
        )


def _findings_of_source_refund(
    refund: SourceRefund, found: list[tuple[Any, ...]], owner: ObjectId | None
) -> list[Finding]:
    pk = refund.pk
    name = f"source refund {pk}"
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
    if refund.user_id != owner:
        findings.append(
            Finding(
                "a refund to source belongs to the top-up's customer",
                name,
                f"user {refund.user_id}, top-up of {owner}",
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

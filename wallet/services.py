"""The ledger: the only code that moves a balance."""

from typing import Any

from bson import ObjectId
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from ottsonly.audit import record_event
from ottsonly.mongo import connection, in_transaction
from wallet.errors import AdjustmentRefused, InsufficientBalance, WalletClosed
from wallet.models import Wallet, WalletTransaction


def ensure_wallet(user_id: ObjectId) -> None:
    """Make the wallet if there is none; outside transactions, where a duplicate key is harmless."""
    if connection.in_atomic_block_mongo:
        raise RuntimeError("a wallet is made before the transaction that needs it")
    if Wallet.objects.filter(pk=user_id).exists():
        return
    try:
        Wallet.objects.create(user_id=user_id)
    except IntegrityError:
        # Made at the same moment by another request.
        return


def balance_of(user_id: ObjectId) -> int:
    """Return the balance in paise; 0 where there is no wallet yet."""
    found = Wallet.objects.filter(pk=user_id).values_list("balance_paise", flat=True).first()
    return found or 0


def is_closed(user_id: ObjectId) -> bool:
    """Say whether the wallet's owner deleted the account."""
    return Wallet.objects.filter(pk=user_id, closed_at__isnull=False).exists()


def close_wallet(user_id: ObjectId) -> bool:
    """Close an empty wallet for good; only inside a transaction. Say whether it was empty.

    A credit at the same moment writes the same document, so one of the two begins anew and sees
    the other.
    """
    if not connection.in_atomic_block_mongo:
        raise RuntimeError("a wallet is closed together with its account")
    closed = Wallet.objects.filter(pk=user_id, balance_paise=0, closed_at=None).update(
        closed_at=timezone.now()
    )
    return closed == 1


def post_entry(
    *,
    user_id: ObjectId,
    amount_paise: int,
    reference_type: str,
    reference_id: str,
    key: str,
    description: str,
    actor_id: ObjectId | None = None,
) -> WalletTransaction:
    """Move the balance by `amount_paise` (signed) and write the entry; only inside a transaction.

    One conditional update that cannot pass below zero takes the next number of the chain; whoever
    else moves the same wallet meets a write conflict and is retried by `in_transaction`.

    Raises:
        InsufficientBalance: the wallet holds less than would be taken.
        WalletClosed: a credit, and the account is deleted (or has no wallet).
        IntegrityError: the key moved money before; the transaction is aborted by then.
    """
    if not connection.in_atomic_block_mongo:
        raise RuntimeError("money moves only inside in_transaction")
    wallets = Wallet.objects.filter(pk=user_id)
    moved = wallets.filter(closed_at=None, balance_paise__gte=-amount_paise).update(
        balance_paise=F("balance_paise") + amount_paise, sequence=F("sequence") + 1
    )
    if moved != 1:
        if amount_paise > 0:
            raise WalletClosed(_("This account is deleted: its wallet is closed."))
        raise InsufficientBalance(balance_of(user_id), -amount_paise)
    balance, sequence = wallets.values_list("balance_paise", "sequence").get()
    return WalletTransaction.objects.create(
        user_id=user_id,
        sequence=sequence,
        amount_paise=amount_paise,
        balance_after_paise=balance,
        reference_type=reference_type,
        reference_id=reference_id,
        key=key,
        description=description,
        actor_id=actor_id,
    )


def adjust_wallet(
    *, user: Any, amount_paise: int, reason: str, actor: Any, key: str
) -> WalletTransaction:
    """Credit (or debit, when negative) a wallet by hand.

    Args:
        key: the idempotency key of the form; the same key moves the money once.

    Raises:
        AdjustmentRefused: the amount is 0, or the key was used for another change.
        InsufficientBalance: more would be taken than there is.
        WalletClosed: the account is deleted.
    """
    if amount_paise == 0:
        raise AdjustmentRefused(_("Enter an amount other than zero."))
    if user.role != user.Role.USER:
        raise AdjustmentRefused(_("Only customers have a wallet."))
    ensure_wallet(user.pk)

    def work() -> WalletTransaction:
        entry = post_entry(
            user_id=user.pk,
            amount_paise=amount_paise,
            reference_type="adjustment",
            reference_id=key,
            key=f"adjustment:{key}",
            description=reason,
            actor_id=getattr(actor, "pk", None),
        )
        record_event(
            actor=actor,
            action="wallet.adjust",
            target=user,
            after={"amount_paise": amount_paise, "reason": reason},
        )
        return entry

    try:
        return in_transaction(work)
    except (IntegrityError, InsufficientBalance):
        # The first debit of a form that comes again may have left too little for a second.
        earlier = WalletTransaction.objects.filter(key=f"adjustment:{key}").first()
        if earlier is None:
            raise
    if (earlier.user_id, earlier.amount_paise) != (user.pk, amount_paise):
        raise AdjustmentRefused(_("This form was used for another change already."))
    return earlier

"""What the wallet knows of a customer."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.errors import DeletionRefused
from ottsonly.money import format_rupees
from wallet.models import Recharge, SourceRefund, WalletTransaction
from wallet.recharges import OPEN_STATES
from wallet.services import balance_of, close_wallet, ensure_wallet

# So long after its start a payment of a top-up may still be captured, with the bank's delays.
UNDER_WAY = timedelta(days=7)


def export(user: Any) -> dict[str, Any]:
    """Return balance, entries, top-ups and what went back to where it was paid from."""
    return {
        "wallet": {"balance_paise": balance_of(user.pk)},
        "wallet_entries": list(
            WalletTransaction.objects.for_user(user)
            .order_by("sequence")
            .values("created_at", "amount_paise", "balance_after_paise", "description")
        ),
        "topups": list(
            Recharge.objects.for_user(user)
            .order_by("pk")
            .values("created_at", "amount_paise", "state", "payment_id")
        ),
        "refunds_to_source": list(
            SourceRefund.objects.filter(user_id=user.pk)
            .order_by("pk")
            .values("created_at", "amount_paise", "state", "reason", "finished_at")
        ),
    }


def hindrance(user: Any) -> str:
    """Money that is there, or on its way."""
    balance = balance_of(user.pk)
    if balance:
        return _("There are %s in your wallet. Spend them or ask support for them first.") % (
            format_rupees(balance)
        )
    if SourceRefund.objects.filter(user_id=user.pk, state=SourceRefund.State.REQUESTED).exists():
        return _("Money is on its way back to where you paid from. Wait until it is there.")
    recent = Recharge.objects.filter(
        user_id=user.pk, state__in=OPEN_STATES, created_at__gt=timezone.now() - UNDER_WAY
    )
    began_at = recent.order_by("-created_at").values_list("created_at", flat=True).first()
    if began_at is not None:
        day = date_format(timezone.localtime(began_at + UNDER_WAY), "j F")
        return _("A top-up is under way: a payment may still come. Come back after %s.") % day
    return ""


def prepare(user: Any) -> None:
    """The wallet that is to be closed."""
    ensure_wallet(user.pk)


def forget(user: Any) -> None:
    """Close the wallet, so that no money can come to an account that nobody can open.

    Raises:
        DeletionRefused: there is money in it by now.
    """
    if not close_wallet(user.pk):
        raise DeletionRefused(_("Your wallet has just changed. Please look at it again."))

"""What the wallet knows of a customer."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from ottsonly.money import format_rupees
from wallet.models import Recharge, WalletTransaction
from wallet.services import balance_of

# A payment at Razorpay may still be captured for so long.
UNDER_WAY = timedelta(hours=24)


def export(user: Any) -> dict[str, Any]:
    """Return balance, entries and top-ups."""
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
    }


def hindrance(user: Any) -> str:
    """Money that is there, or on its way."""
    balance = balance_of(user.pk)
    if balance:
        return _("There are %s in your wallet. Spend them or ask support for them first.") % (
            format_rupees(balance)
        )
    recent = Recharge.objects.filter(
        user_id=user.pk,
        state=Recharge.State.PENDING,
        created_at__gt=timezone.now() - UNDER_WAY,
    )
    if recent.exists():
        return _("A top-up is under way. Please come back in a day.")
    return ""

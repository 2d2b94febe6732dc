"""Refusals around money."""

from django.utils.translation import gettext as _

from ottsonly.errors import ShopError
from ottsonly.money import format_rupees


class InsufficientBalance(ShopError):
    """The wallet holds less than is needed.

    Args:
        balance_paise: what it holds.
        needed_paise: what was asked for.
    """

    def __init__(self, balance_paise: int, needed_paise: int) -> None:
        self.balance_paise, self.needed_paise = balance_paise, needed_paise
        missing = format_rupees(needed_paise - balance_paise)
        super().__init__(_("Your wallet is short of %(missing)s.") % {"missing": missing})


class WalletClosed(ShopError):
    """A credit to a wallet whose owner deleted the account."""


class AdjustmentRefused(ShopError):
    """An operator's credit or debit that cannot be carried out."""


class TopUpRefused(ShopError):
    """A top-up that cannot be started or finished as asked."""


class TooManyTopUps(TopUpRefused):
    """A customer started more top-ups than anybody needs; a sentence says when it goes on."""


class KeyReused(TopUpRefused):
    """The key of the form belongs to a top-up of another amount."""


class GatewayRefused(TopUpRefused):
    """Razorpay answered and said no."""


class GatewayUnavailable(TopUpRefused):
    """Razorpay did not answer, or not in a way that can be trusted."""


class SourceRefundRefused(ShopError):
    """Money that cannot go back to its source as asked."""


class ItemRefused(ShopError):
    """An open item that cannot be closed as asked."""


class RetryRefused(ShopError):
    """A web hook event that cannot be tried again as asked."""

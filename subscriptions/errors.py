"""Refusals around credentials and subscriptions."""

from ottsonly.errors import ShopError


class NoSeat(ShopError):
    """The account has no free seat, or may not be given to anybody new."""


class NotDelivered(ShopError):
    """There are no credentials to show, or the time is over."""


class ReplacementRefused(ShopError):
    """The subscription cannot be moved to another account."""


class ExtensionRefused(ShopError):
    """No days can be added as asked."""


class CancellationRefused(ShopError):
    """The subscription cannot be ended by hand."""


class AutoRenewRefused(ShopError):
    """The automatic renewal cannot be switched as asked."""


class ImportRefused(ShopError):
    """The lines cannot be imported as they are."""


class PasswordRefused(ShopError):
    """The new password is none."""


class RetirementRefused(ShopError):
    """The account is retired already."""


class InvitationRefused(ShopError):
    """The invitation cannot be marked so."""


class ProblemRefused(ShopError):
    """The report cannot be made, or was answered already."""

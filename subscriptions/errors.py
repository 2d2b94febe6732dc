"""Refusals around credentials and subscriptions."""

from ottsonly.errors import ShopError


class NoSeat(ShopError):
    """The account has no free seat, or may not be given to anybody new."""


class NotDelivered(ShopError):
    """There are no credentials to show, or the time is over."""

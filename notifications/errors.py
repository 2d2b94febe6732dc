"""Refusals around notices."""

from ottsonly.errors import ShopError


class BroadcastRefused(ShopError):
    """It cannot be sent or stopped as it is."""

"""Refusals of the catalogue."""

from ottsonly.errors import ShopError


class SoldOut(ShopError):
    """The last unit went to somebody else, or the plan is not sold (any more)."""


class StockRefused(ShopError):
    """A restock that cannot be carried out, such as one below zero."""


class ChangedMeanwhile(ShopError):
    """Somebody else changed the plan or platform since the form was opened."""


class WatchRefused(ShopError):
    """There is nothing to wait for, or nobody who could be told."""

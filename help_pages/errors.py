"""Refusals of this room."""

from ottsonly.errors import ShopError


class EditedMeanwhile(ShopError):
    """Somebody else saved the page since it was opened."""

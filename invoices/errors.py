"""What may keep a paper from being issued."""

from ottsonly.errors import ShopError


class SeriesFull(ShopError):
    """The number would be longer than sixteen characters."""

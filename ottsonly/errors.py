"""The one base of every refusal that a person is told."""


class ShopError(Exception):
    """A refusal; `str()` of it is the sentence for the person who asked."""

"""Refusals of buying, delivering and refunding."""

from ottsonly.errors import ShopError


class OrderRefused(ShopError):
    """The order cannot be placed as asked."""


class PriceChanged(OrderRefused):
    """The plan is not sold at the quoted price any more; the customer confirms again."""


class KeyReused(OrderRefused):
    """The same purchase key came with another purchase."""


class TooManyPurchases(OrderRefused):
    """More was bought in an hour than a customer needs; a sentence says when it goes on."""


class RenewalRefused(OrderRefused):
    """The subscription cannot get another period: it ended, or changed at the same moment."""


class DeliveryRefused(ShopError):
    """The order cannot be delivered now."""


class PoolEmpty(DeliveryRefused):
    """No account of the plan has a free seat."""


class RefundRefused(ShopError):
    """The refund would exceed what was paid, or the order is refunded already."""

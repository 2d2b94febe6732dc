"""App configuration."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Buying, delivering and refunding."""

    name = "orders"

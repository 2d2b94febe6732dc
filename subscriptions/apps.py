"""App configuration."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """Stored credentials and running subscriptions."""

    name = "subscriptions"

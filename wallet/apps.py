"""App configuration."""

from django.apps import AppConfig


class WalletConfig(AppConfig):
    """Balances, the ledger and top-ups."""

    name = "wallet"

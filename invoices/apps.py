"""App configuration."""

from django.apps import AppConfig


class InvoicesConfig(AppConfig):
    """Receipts, tax invoices and credit notes; listens and is imported by nobody."""

    name = "invoices"

    def ready(self) -> None:
        from invoices import checks, receivers  # noqa: F401

        receivers.connect()

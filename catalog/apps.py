"""App configuration."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Platforms, plans and their stock."""

    name = "catalog"

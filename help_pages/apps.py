"""App configuration."""

from django.apps import AppConfig


class HelpPagesConfig(AppConfig):
    """What the shop says of itself: questions, policies, contact."""

    name = "help_pages"
    verbose_name = "Help pages"

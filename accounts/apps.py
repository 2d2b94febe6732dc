"""App configuration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People: log-in by phone, sessions, roles and the second factor of the staff."""

    name = "accounts"

    def ready(self) -> None:
        from accounts import checks  # noqa: F401 (registers the system check)

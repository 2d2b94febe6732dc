"""What the header and footer of every page show; asked of the database only when shown."""

from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from notifications.models import Notification
from ottsonly.error_pages import contacts
from wallet.services import balance_of

MOST_UNREAD = 99


class Header:
    """Balance and unread notices of a customer, each one command, lazily."""

    def __init__(self, user: Any) -> None:
        self._user = user

    @cached_property
    def _is_customer(self) -> bool:
        return bool(self._user and self._user.is_authenticated and self._user.is_customer)

    @cached_property
    def balance_paise(self) -> int | None:
        return balance_of(self._user.pk) if self._is_customer else None

    @cached_property
    def unread_count(self) -> int:
        if not self._is_customer:
            return 0
        return Notification.objects.for_user(self._user).unread().count_up_to(MOST_UNREAD)

    @property
    def unread_text(self) -> str:
        """The count as the bell shows it: nothing for none, "99+" for more."""
        if not self.unread_count:
            return ""
        return f"{MOST_UNREAD}+" if self.unread_count > MOST_UNREAD else str(self.unread_count)


def header(request: HttpRequest) -> dict[str, Any]:
    """Return what base.html needs."""
    return {
        "header": Header(getattr(request, "user", None)),
        "shop": contacts(),
        "debug": settings.DEBUG,
    }

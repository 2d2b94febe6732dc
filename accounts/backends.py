"""The one authentication backend."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from accounts.models import User


class PhoneBackend(BaseBackend):
    """Loads the user of a session; there is no password, so it never authenticates by itself."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        return None

    def get_user(self, user_id: Any) -> User | None:
        """Return the user if the account is active, so a disabled one is out at once."""
        return User.objects.filter(pk=user_id, is_active=True).first()

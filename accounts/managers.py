"""Finding and making users."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import BaseUserManager
from django_mongodb_backend.managers import MongoManager

from accounts.errors import InvalidPhone
from accounts.phones import parse_phone

if TYPE_CHECKING:
    from accounts.models import User


class UserManager(BaseUserManager["User"], MongoManager["User"]):
    """Users by phone, in whatever notation it is written."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with this phone.

        Raises:
            User.DoesNotExist: nobody has it, or it is no phone at all.
        """
        try:
            phone = parse_phone(username or "")
        except InvalidPhone as error:
            raise self.model.DoesNotExist("no user has this phone") from error
        return self.get(phone=phone)

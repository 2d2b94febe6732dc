"""Encryption at rest for stored credentials, and keyed hashes for what is only compared."""

import hashlib
import hmac
from functools import lru_cache
from typing import Any, NoReturn

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet


class WrongKey(Exception):
    """A stored value can be read with none of the configured keys."""


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(
            "CREDENTIAL_KEYS must be Fernet keys (32 bytes, url-safe base64), comma separated."
        ) from error


def encrypt(text: str) -> str:
    """Return `text` encrypted under the newest key."""
    return _cipher(tuple(settings.CREDENTIAL_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Return the plain text of `token`.

    Raises:
        WrongKey: none of the keys fits; the ciphertext is never handed out instead.
    """
    try:
        return _cipher(tuple(settings.CREDENTIAL_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise WrongKey("a stored value cannot be read with the configured keys") from error


def keyed_hash(purpose: str, value: str) -> str:
    """Return the hex HMAC-SHA256 of `value`; the same value differs from purpose to purpose."""
    message = f"{purpose}\x00{value}".encode()
    return hmac.new(settings.HASH_KEY.encode(), message, hashlib.sha256).hexdigest()


class EncryptedTextField(models.TextField):
    """Text that the database only ever sees encrypted; it allows no lookup but isnull."""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, str):
            raise FieldError(f"{self.name} is encrypted: only plain text can be saved")
        return encrypt(value)

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return None if value is None else decrypt(value)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted: it cannot be searched")
        return super().get_lookup(lookup_name)


class EncryptedQuerySet(MongoQuerySet):
    """Refuses the two ways of writing that skip `get_db_prep_save` and would store plain text."""

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise FieldError("bulk_update() would store encrypted fields in plain text: use save()")

    def update(self, **values: Any) -> int:
        for name in values:
            if isinstance(self.model._meta.get_field(name), EncryptedTextField):
                raise FieldError(f"update() would store {name} in plain text: use save()")
        return super().update(**values)


EncryptedManager = MongoManager.from_queryset(EncryptedQuerySet)

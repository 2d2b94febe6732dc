"""Encryption at rest for stored credentials, and keyed hashes for what is only compared."""

import hashlib
import hmac
from functools import lru_cache
from typing import Any, NoReturn, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection as _connection
from django.db import models
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet

# The stubs know only relational backends.
default_connection: Any = _connection


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


def encrypted_fields(model: type[models.Model]) -> list[str]:
    """Return the names of the encrypted fields of a model."""
    fields = model._meta.concrete_fields
    return [field.name for field in fields if isinstance(field, EncryptedTextField)]


def reencrypt(model: type[models.Model]) -> int:
    """Write every value of `model` anew under the newest key; return how many were.

    Each by compare-and-set on the old ciphertext, so it may run beside the shop and be stopped and
    started again: a value that somebody changes meanwhile is under the newest key already.

    Raises:
        WrongKey: none of the keys opens a value; what came before it is done.
    """
    cipher = _cipher(tuple(settings.CREDENTIAL_KEYS))
    default_connection.ensure_connection()
    collection = default_connection.database[model._meta.db_table]
    names = encrypted_fields(model)
    done = 0
    for document in collection.find({}, dict.fromkeys(names, 1)):
        for name in names:
            old = document.get(name)
            if not isinstance(old, str):
                continue
            try:
                new = cipher.rotate(old.encode()).decode()
            except InvalidToken as error:
                raise WrongKey(f"{model._meta.label} {document['_id']} cannot be read") from error
            same = {"_id": document["_id"], name: old}
            done += collection.update_one(same, {"$set": {name: new}}).modified_count
    return done


class EncryptedQuerySet(MongoQuerySet):
    """Refuses the two ways of writing that skip `get_db_prep_save` and would store plain text."""

    def without_secrets(self) -> Self:
        """Leave the encrypted fields in the database, so that no key is needed to read the rest."""
        return self.defer(*encrypted_fields(self.model))

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise FieldError("bulk_update() would store encrypted fields in plain text: use save()")

    def update(self, **values: Any) -> int:
        for name in values:
            if isinstance(self.model._meta.get_field(name), EncryptedTextField):
                raise FieldError(f"update() would store {name} in plain text: use save()")
        return super().update(**values)


EncryptedManager = MongoManager.from_queryset(EncryptedQuerySet)

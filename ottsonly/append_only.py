"""Reads of documents that are written once and stay as they are."""

from typing import Any, NoReturn

from django_mongodb_backend.queryset import MongoQuerySet


class AppendOnlyQuerySet(MongoQuerySet):
    """Refuses what would change or delete documents past their own `save` and `delete`."""

    def update(self, **values: Any) -> NoReturn:
        raise TypeError(f"{self.model._meta.verbose_name_plural} are append-only")

    def delete(self) -> NoReturn:
        raise TypeError(f"{self.model._meta.verbose_name_plural} are append-only")

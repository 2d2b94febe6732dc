"""A migration operation for indexes that let MongoDB delete documents after their time.

Django knows no such indexes, so the operation turns one that it declared into one, under the same
name (https://www.mongodb.com/docs/manual/core/index-ttl/).
"""

from typing import Any

from django.db.migrations.operations.base import Operation
from pymongo.errors import OperationFailure


class ExpireAfter(Operation):
    """Delete each document of a collection so many seconds after the time in one field.

    Args:
        collection: its name.
        field: a time, with an index on it alone, or with none.
        seconds: how long after it.
        only: a filter; documents outside it are kept. Such an index is made anew.
    """

    reversible = True

    def __init__(
        self, collection: str, field: str, seconds: int = 0, only: dict[str, Any] | None = None
    ) -> None:
        self.collection, self.field, self.seconds, self.only = collection, field, seconds, only

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Django's own picture of the index does not change."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        collection = schema_editor.connection.database[self.collection]
        found = self._index(collection)
        if found is None:
            options: dict[str, Any] = {"name": f"{self.field}_ttl"}
            if self.only:
                options["partialFilterExpression"] = self.only
            collection.create_index(self.field, expireAfterSeconds=self.seconds, **options)
            return
        try:
            # Since MongoDB 5.1 an index can be turned in place.
            change = {"name": found, "expireAfterSeconds": self.seconds}
            collection.database.command("collMod", self.collection, index=change)
        except OperationFailure:
            collection.drop_index(found)
            collection.create_index(self.field, name=found, expireAfterSeconds=self.seconds)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        collection = schema_editor.connection.database[self.collection]
        found = self._index(collection)
        if found is not None:
            collection.drop_index(found)
            if not found.endswith("_ttl"):
                collection.create_index(self.field, name=found)

    def describe(self) -> str:
        return f"Delete documents of {self.collection} by their {self.field}"

    def _index(self, collection: Any) -> str | None:
        """Return the name of the index on the field alone."""
        for name, details in collection.index_information().items():
            if [key for key, _direction in details["key"]] == [self.field]:
                return name
        return None

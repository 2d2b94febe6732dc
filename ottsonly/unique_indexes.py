"""Unique indexes that also answer look-ups.

The MongoDB backend makes every unique index partial (`{number: {$type: "string"}}`), so that
several nulls are allowed. MongoDB's planner uses a partial index only where the query itself
implies its filter, and an equality does not imply a `$type`
(https://www.mongodb.com/docs/manual/core/index-partial/#query-coverage): every look-up of an order
by its number or of an entry by its idempotency key would read the whole collection. A field that
is never null needs no such filter, and one with a condition of its own has a better one.
"""

from typing import Any

from django.db.models import Index
from pymongo import IndexModel


def make_unique_indexes_usable() -> None:
    """Leave `$type` out of the unique indexes whose fields cannot be null; called at start."""
    original = Index.get_pymongo_index_model  # type: ignore[attr-defined]
    if getattr(original, "is_ours", False):
        return

    def get_pymongo_index_model(
        self: Index,
        model: Any,
        schema_editor: Any,
        field: Any = None,
        unique: bool = False,
        column_prefix: str = "",
    ) -> IndexModel | None:
        made = original(self, model, schema_editor, field, unique, column_prefix)
        if not unique or made is None:
            return made
        fields = [field] if field else [model._meta.get_field(name) for name in self.fields]
        document = dict(made.document)
        kept = _without_types(
            document.pop("partialFilterExpression", {}),
            {f"{column_prefix}{one.column}": one.null for one in fields},
        )
        if kept:
            document["partialFilterExpression"] = kept
        keys = list(document.pop("key").items())
        return IndexModel(keys, **document)

    get_pymongo_index_model.is_ours = True  # type: ignore[attr-defined]
    Index.get_pymongo_index_model = get_pymongo_index_model  # type: ignore[attr-defined]


def _without_types(expression: Any, nullable: dict[str, bool]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for column, condition in dict(expression).items():
        if not isinstance(condition, dict) or column not in nullable:
            kept[column] = condition
            continue
        others = {name: value for name, value in condition.items() if name != "$type"}
        if others:
            kept[column] = others
        elif nullable[column]:
            kept[column] = dict(condition)
    return kept

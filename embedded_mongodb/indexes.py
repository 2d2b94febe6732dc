"""Corrections of which index serves a query.

This file runs inside and adapts SecantusDB, which is GPL-2.0; nothing else of this project
imports it; it talks to the application only over the wire.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from secantus import aggregate
from secantus.storage import COMPOUND_SEP, Storage

Document = dict[str, Any]
BOUNDS = frozenset({"$gt", "$gte", "$lt", "$lte"})


def correct_and_of_conditions() -> None:
    """`{$and: [{a: 1}, {b: {$gte: 2}}]}` is planned like `{a: 1, b: {$gte: 2}}`.

    MongoDB plans both alike. This server chose an index only where no name of the filter is an
    operator, so that every query of an object mapper with two conditions read the collection
    whole, conditional updates among them. What an index finds is compared with the whole filter
    afterwards, so a condition that cannot be merged is simply left out here.
    """
    for name in ("_try_index_id_keys", "_pick_index_for_filter"):
        setattr(Storage, name, planned(getattr(Storage, name)))
    Storage._pick_index_for_filter = explained(Storage._pick_index_for_filter)


def planned(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function that chooses an index for a filter, its third argument."""

    @functools.wraps(choose)
    def wrapper(self: Storage, db: str, coll: str, filter: Document, **named: Any) -> Any:
        if filter and "$and" in filter:
            filter = merged(filter)
        return choose(self, db, coll, filter, **named)

    return wrapper


def explained(pick: Callable[..., Any]) -> Callable[..., Any]:
    """Let `explain` name the index of a single condition, which the look-up itself uses last."""

    @functools.wraps(pick)
    def wrapper(self: Storage, db: str, coll: str, filter: Document, **named: Any) -> Any:
        picked = pick(self, db, coll, filter, **named)
        if picked is None and filter:
            conditions = merged(filter)
            for name, condition in conditions.items() if len(conditions) > 1 else ():
                picked = pick(self, db, coll, {name: condition}, **named)
                if picked is not None:
                    return picked
        return picked

    return wrapper


def merged(filter: Mapping[str, Any]) -> Document:
    """Return conditions on fields that every document matching `filter` fulfils."""
    conditions: Document = {}
    for name, condition in filter.items():
        if name == "$and":
            for part in condition:
                for inner_name, inner in merged(part).items():
                    add(conditions, inner_name, inner)
        elif not name.startswith("$"):
            add(conditions, name, condition)
    return conditions


def add(conditions: Document, name: str, condition: Any) -> None:
    """Add a condition: bounds of one field become one range, any other second one is left out."""
    earlier = conditions.get(name)
    if earlier is None:
        conditions[name] = condition
    elif is_bounds(earlier) and is_bounds(condition) and not earlier.keys() & condition.keys():
        conditions[name] = {**earlier, **condition}


def is_bounds(condition: Any) -> bool:
    return isinstance(condition, Mapping) and bool(condition) and condition.keys() <= BOUNDS


def correct_union_with() -> None:
    """`$unionWith` reads only what its own first `$match` lets through, by an index.

    This server read the other collection whole before the first stage of the pipeline.
    """
    union_with = aggregate._stage_union_with

    def corrected(spec: Any, docs: list[Document], ctx: Any) -> list[Document]:
        pipeline = spec.get("pipeline") if isinstance(spec, Mapping) else None
        first = pipeline[0] if isinstance(pipeline, list) and pipeline else None
        if not isinstance(first, Mapping) or list(first) != ["$match"] or ctx.storage is None:
            return union_with(spec, docs, ctx)
        storage: Any = Narrowed(ctx.storage, first["$match"])
        return union_with(spec, docs, dataclasses.replace(ctx, storage=storage))

    for table in list(vars(aggregate).values()):
        if isinstance(table, dict) and table.get("$unionWith") is union_with:
            table["$unionWith"] = corrected


class Narrowed:
    """A storage whose first reading of a whole collection is narrowed by a filter."""

    def __init__(self, storage: Storage, filter: Mapping[str, Any]) -> None:
        self._storage, self._filter = storage, dict(filter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def find_matching(self, db: str, coll: str, filter: Any, *rest: Any, **named: Any) -> Any:
        if not filter and self._filter:
            filter, self._filter = self._filter, {}
        return self._storage.find_matching(db, coll, filter, *rest, **named)


def correct_bounds_before_more_fields() -> None:
    """`{a: 1, b: {$lte: 2}}` finds the documents with b = 2 by an index on a, b and c.

    Their entries are longer than the bound, because c follows in them. This server compared them
    as a whole, took them for greater and left them out without a word (on a descending b those
    of $gte). The bound becomes the first key that can belong to no document with b = 2.
    """
    scan = Storage._range_scan_index
    after_the_field = COMPOUND_SEP[:-1] + bytes([COMPOUND_SEP[-1] + 1])

    @functools.wraps(scan)
    def corrected(
        self: Storage,
        db: str,
        coll: str,
        name: str,
        lower: bytes | None,
        lower_inclusive: bool,
        upper: bytes | None,
        upper_inclusive: bool,
        *,
        prefix: bytes | None = None,
    ) -> list[int]:
        if prefix is not None and upper is not None and upper_inclusive:
            upper, upper_inclusive = upper + after_the_field, False
        return scan(
            self, db, coll, name, lower, lower_inclusive, upper, upper_inclusive, prefix=prefix
        )

    Storage._range_scan_index = corrected

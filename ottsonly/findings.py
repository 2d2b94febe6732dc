"""What a check of the books reports, and how it makes sure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from bson import ObjectId

from ottsonly.mongo import in_transaction

# Documents that are read together: enough that the number of commands does not matter any more,
# few enough that memory does not either.
BATCH = 100


@dataclass(frozen=True)
class Finding:
    """One document that breaks one rule.

    Args:
        rule: the rule in words.
        document: kind and id, never a secret.
        detail: what was found, with the figures.
    """

    rule: str
    document: str
    detail: str

    def __str__(self) -> str:
        return f"{self.document}: {self.rule}: {self.detail}"


# Reads what a batch of documents needs, and tells of each what is wrong with it.
Look = Callable[[list[ObjectId]], Iterable[tuple[ObjectId, list[Finding]]]]


def looked_at_twice(look: Look, pks: Iterable[ObjectId]) -> Iterator[Finding]:
    """Yield what `look` finds, batch by batch; it may run while the shop sells.

    A sale may commit between two reads, so whatever looks wrong is read again, alone and in one
    snapshot, before it is reported.
    """

    def again(pk: ObjectId) -> list[Finding]:
        return [finding for _pk, found in look([pk]) for finding in found]

    for batch in in_batches(pks):
        for pk, suspicion in list(look(batch)):
            if suspicion:
                yield from in_transaction(partial(again, pk))


def in_batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield the items in lists of BATCH."""
    left = iter(items)
    while batch := list(islice(left, BATCH)):
        yield batch


def by_first(rows: Iterable[tuple[Any, ...]]) -> dict[Any, list[tuple[Any, ...]]]:
    """Return the rest of each row under its first value; nothing under a value that has none."""
    found: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for first, *rest in rows:
        found[first].append(tuple(rest))
    return found

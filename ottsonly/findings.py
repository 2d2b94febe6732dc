"""What a check of the books reports, and how it makes sure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from bson import ObjectId

from ottsonly.mongo import in_transaction


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


def looked_at_twice(
    look: Callable[[ObjectId], list[Finding]], pks: Iterable[ObjectId]
) -> Iterator[Finding]:
    """Yield what `look` finds, document by document; it may run while the shop sells.

    A sale may commit between two reads, so whatever looks wrong is read again in one snapshot
    before it is reported.
    """
    for pk in pks:
        if look(pk):
            yield from in_transaction(partial(look, pk))

"""Corrections of writes that meet another transaction's write.

This file runs inside and adapts SecantusDB, which is GPL-2.0; nothing else of this project
imports it; it talks to the application only over the wire.
"""

import contextlib
import datetime
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from secantus import commands, deadline
from secantus.storage import Storage, WriteConflictError, _is_wt_rollback

FIRST_PAUSE_SECONDS = 0.002
LONGEST_PAUSE_SECONDS = 0.05
RETRIED = (
    "_insert_chunk",
    "_update_chunk",
    "_update_matching_single_txn",
    "_delete_chunk",
    "_delete_matching_single_txn",
)


def correct_waiting_for_conflicts() -> None:
    """A write outside a transaction waits for a conflicting one without stopping others.

    MongoDB: a write that meets an open transaction's write yields its locks and tries again
    until that transaction ends or its own maxTimeMS is over; a write inside a transaction fails
    at once (WriteConflict, TransientTransactionError). This server retries updateMany and
    deleteMany while it holds the collection's lock: the transaction that it waits for can then
    not make its next write there, and both stand still. It also ignores maxTimeMS, and a
    waiting write holds up the server's end. The retrying function is put anew around the same
    bodies: each attempt was rolled back and reads its documents again, so nothing that it
    relies on can change unseen while the lock is given up.
    """
    for name in RETRIED:
        body = getattr(Storage, name).__wrapped__
        setattr(Storage, name, retrying(body))


def retrying(body: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a write of one collection (its first arguments are db and collection)."""

    @functools.wraps(body)
    def write(self: Storage, db: str, coll: str, *arguments: Any, **named: Any) -> Any:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return body(self, db, coll, *arguments, **named)
            except Exception as error:
                conflict = isinstance(error, WriteConflictError) or _is_wt_rollback(error)
                in_transaction = getattr(self._tls, "user_txn", None) is not None
                if not conflict or in_transaction or self._shutting_down:
                    raise
            deadline.check_now()
            sleep_unlocked(self._coll_lock(db, coll), pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    return write


def sleep_unlocked(lock: Any, seconds: float) -> None:
    """Sleep; when this thread owns the RLock, give it up meanwhile, however often it took it."""
    if not lock._is_owned():
        time.sleep(seconds)
        return
    held = lock._release_save()
    try:
        time.sleep(seconds)
    finally:
        lock._acquire_restore(held)


class FoundMeanwhile(Exception):
    """What a findAndModify was about to insert has been inserted by somebody else."""


def correct_upserting_find_and_modify() -> None:
    """findAndModify with upsert returns the document also when another one inserted it meanwhile.

    MongoDB looks again. This server looks once, finds nothing and upserts; when the document was
    inserted in between (or while it waited for the transaction that inserted it), the upsert
    updates it, but the answer says that nothing was found: no document, `updatedExisting` false.
    The second look is put inside the statement that writes, where nobody comes in between; when
    it finds something, nothing has been written and the whole command runs again.
    """
    current = threading.local()
    find_and_modify = commands._find_and_modify_impl
    update = Storage._update_matching_single_txn.__wrapped__

    def corrected(doc: dict[str, Any], ctx: Any) -> Any:
        current.is_running = True
        try:
            while True:
                with contextlib.suppress(FoundMeanwhile):
                    return find_and_modify(doc, ctx)
        finally:
            current.is_running = False

    @functools.wraps(update)
    def looking_again(
        self: Storage, db: str, coll: str, filter: Any, *arguments: Any, **named: Any
    ) -> Any:
        if not (named.get("upsert") and getattr(current, "is_running", False)):
            return update(self, db, coll, filter, *arguments, **named)
        with self._coll_lock(db, coll):
            seen = {"let": named.get("let"), "collation": named.get("collation")}
            if self.find_matching(db, coll, filter, limit=1, **seen):
                raise FoundMeanwhile
            return update(self, db, coll, filter, *arguments, **named)

    commands._find_and_modify_impl = corrected
    Storage._update_matching_single_txn = retrying(looking_again)


def correct_ttl_deletion() -> None:
    """Expired documents are deleted as by deleteMany: whole, and by what they hold now.

    MongoDB's TTL monitor runs ordinary deletes. This server's sweep takes neither the
    collection's lock nor a transaction: a document that was prolonged after the sweep had read
    it is deleted all the same, its new index entries stay behind, and a kill in between leaves
    a document that no index finds. One document in an open transaction ends the whole sweep.
    """

    def prune_ttl(
        self: Storage, db: str, coll: str, *, now: datetime.datetime | None = None
    ) -> int:
        moment = now or datetime.datetime.now(datetime.UTC)
        filters = list(expiry_filters(self._iter_indexes(db, coll), moment))
        return sum(self.delete_matching(db, coll, expired) for expired in filters)

    Storage.prune_ttl = prune_ttl


def expiry_filters(indexes: Any, now: datetime.datetime) -> Iterator[dict[str, Any]]:
    """The filter of the expired documents of each TTL index, among what the index covers."""
    for _name, key, options in indexes:
        seconds = options.get("expireAfterSeconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            continue
        field = next(iter(key))
        if seconds != seconds or seconds < 0 or len(key) != 1 or field == "_id":
            continue
        try:
            expired: dict[str, Any] = {
                field: {"$lt": now - datetime.timedelta(seconds=float(seconds))}
            }
        except OverflowError:
            continue
        covered = options.get("partialFilterExpression")
        if isinstance(covered, Mapping) and covered:
            expired = {"$and": [expired, dict(covered)]}
        yield expired

"""The one way to run a transaction.

The backend's own `atomic` neither retries nor cleans up after a failed commit: its session stays
open, so the next block would run in no transaction at all. `in_transaction` always ends the
session, drops the hooks of the failed try and retries what MongoDB labels as transient
(https://www.mongodb.com/docs/manual/core/transactions-in-applications/).
"""

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import DatabaseError
from django.db import connection as default_connection
from pymongo.errors import PyMongoError

T = TypeVar("T")
# The stubs know only relational backends; the attributes used here are the MongoDB backend's.
connection: Any = default_connection

FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.4
COMMIT_TRIES = 3
# Who met a conflict repeats in turn with the others of this process, and meets other processes
# alone: sixteen buyers of one plan that all repeat at once would keep each other from ever coming
# through. Nothing depends on it but speed, so it is not waited for without end.
_turn = threading.Lock()
LONGEST_WAIT_SECONDS = 5.0


def in_transaction(work: Callable[[], T], *, attempts: int = 16) -> T:
    """Run `work` in one transaction and return what it returns.

    Args:
        work: called with no argument, possibly several times; it must do nothing but read and
            write the database.
        attempts: how often a try that met a write conflict is made at most.

    Inside a running transaction `work` simply joins it, and the outermost call retries.

    Raises:
        IntegrityError: a unique index refused; the transaction is aborted by then, so callers
            catch it outside and return the earlier result.
        DatabaseError: the conflict outlasted every try.
    """
    if connection.in_atomic_block_mongo:
        return work()
    # Who comes while others repeat would make them lose again: it queues up behind them.
    queued = _turn.locked() and _turn.acquire(timeout=LONGEST_WAIT_SECONDS)
    try:
        for attempt in range(1, attempts + 1):
            try:
                return _run_once(work)
            except (DatabaseError, PyMongoError) as error:
                if attempt == attempts or not _has_label(error, "TransientTransactionError"):
                    raise
            queued = queued or _turn.acquire(timeout=LONGEST_WAIT_SECONDS)
            _pause(attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")
    finally:
        if queued:
            _turn.release()


def _run_once(work: Callable[[], T]) -> T:
    connection.ensure_connection()
    connection.start_transaction_mongo()
    connection.in_atomic_block_mongo = True
    try:
        result = work()
        _commit(connection.session)
    except BaseException:
        _abandon()
        raise
    connection.in_atomic_block_mongo = False
    connection._end_session()
    # Django's own `atomic`, which the console puts around every form, holds no transaction here but
    # forbids this call; it runs the hooks at its own end.
    if not connection.in_atomic_block:
        connection.run_and_clear_commit_hooks()
    return result


def _commit(session: Any) -> None:
    """Commit; a commit whose outcome is unknown is itself repeated, never the work."""
    for attempt in range(1, COMMIT_TRIES + 1):
        try:
            session.commit_transaction()
            return
        except PyMongoError as error:
            if attempt == COMMIT_TRIES or not error.has_error_label(
                "UnknownTransactionCommitResult"
            ):
                raise
        _pause(attempt)


def _abandon() -> None:
    """Leave the connection as if the failed try had never been."""
    session = connection.session
    connection.in_atomic_block_mongo = False
    connection.nested_atomics = 0
    connection.run_on_commit = []
    if session is None:
        return
    try:
        if session.in_transaction:
            session.abort_transaction()
    except PyMongoError:
        # The server aborts by itself when the session ends; the first error matters more.
        pass
    finally:
        connection._end_session()


def _has_label(error: BaseException, label: str) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PyMongoError) and cause.has_error_label(label):
            return True
        cause = cause.__cause__
    return False


def _pause(attempt: int) -> None:
    """Back off exponentially with full jitter, so that losers do not meet again."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
    time.sleep(random.uniform(0, longest))  # noqa: S311 (no secret)


def moment(value: datetime) -> datetime:
    """Return an aware time as the driver compares it: naive, in UTC."""
    return value.astimezone(UTC).replace(tzinfo=None)


def outlasted_every_try(error: BaseException) -> bool:
    """Say whether `error` is a write conflict, as it comes out of `in_transaction` at last."""
    return _has_label(error, "TransientTransactionError")

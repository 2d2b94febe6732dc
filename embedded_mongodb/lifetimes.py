"""Corrections of how long transactions, sessions and retryable writes are kept.

This file runs inside and adapts SecantusDB, which is GPL-2.0; nothing else of this project
imports it; it talks to the application only over the wire.
"""

import threading
from typing import Any

from secantus import commands, transactions
from secantus.server import SecantusDBServer
from secantus.sessions import SessionRegistry
from secantus.storage import _OPLOG_TABLE, Storage
from secantus.transactions import Transaction, TransactionRegistry, TxnState

REAPER_SECONDS = 0.5
# How long a finished transaction is remembered: MongoDB's logical sessions end after 30 minutes.
REMEMBER_SECONDS = 30 * 60.0
# How far back commits are looked for at the start: a driver's retry comes within its server
# selection timeout of 30 seconds.
RECOVERED_OPLOG_ENTRIES = 5_000


def correct_reaping() -> None:
    """A background thread aborts every transaction that is older than the lifetime.

    MongoDB aborts a transaction transactionLifetimeLimitSeconds after its start. This server
    looks only when another transaction command comes, so that the open transaction of a dead
    client blocks all plain writers of its documents for as long as nobody starts one. Its look
    also waits for every running statement, with the registry locked, and it never forgets a
    finished transaction; both are changed: a transaction that is busy is looked at next time.
    """

    def prune_expired(self: TransactionRegistry) -> int:
        now = self._time()
        reaped = 0
        with self._lock:
            known = list(self._txns.items())
        for lsid, transaction in known:
            if transaction.state is not TxnState.IN_PROGRESS:
                if transaction.last_use < now - REMEMBER_SECONDS:
                    forget(self, lsid, transaction)
            elif transaction.started_at < now - self._lifetime:
                reaped += abort_if_idle(self, transaction)
        return reaped

    def no_look(self: TransactionRegistry) -> int:
        return 0

    start = SecantusDBServer.start

    def start_with_reaper(self: SecantusDBServer) -> None:
        start(self)
        pause = min(REAPER_SECONDS, self.transactions._lifetime / 4)

        def reap() -> None:
            while not self._stop_event.wait(pause):
                self.transactions.prune_expired()

        threading.Thread(target=reap, name="transaction-reaper", daemon=True).start()

    TransactionRegistry.prune_expired = prune_expired
    TransactionRegistry._prune_locked = no_look
    SecantusDBServer.start = start_with_reaper


def abort_if_idle(registry: TransactionRegistry, transaction: Transaction) -> bool:
    """Abort the transaction unless a statement of it runs; whether it was aborted."""
    if not transaction.mutex.acquire(blocking=False):
        return False
    try:
        registry.abort_in_progress(transaction)
    finally:
        transaction.mutex.release()
    return True


def forget(registry: TransactionRegistry, lsid: bytes, transaction: Transaction) -> None:
    with registry._lock:
        if registry._txns.get(lsid) is transaction:
            del registry._txns[lsid]
            registry._last_number.pop(lsid, None)


def correct_dropped_connections() -> None:
    """A transaction whose last statement came over a connection that is gone is aborted.

    MongoDB leaves such a transaction to its lifetime limit of a minute. With one small server
    for development and many killed processes, that minute blocks the next process's writes. To
    abort is sound: a server may abort an open transaction at any time, and a client that lives
    and goes on over another connection is told so with TransientTransactionError and repeats
    the whole transaction. A commit that was done stays done, as only open ones are aborted.
    """
    run_statement = commands._run_txn_statement
    create = SecantusDBServer.__init__

    def run_noting_connection(txn: Transaction, handler: Any, doc: Any, ctx: Any) -> Any:
        ctx.transactions.last_connection[txn.lsid_bytes] = ctx.connection_id
        return run_statement(txn, handler, doc, ctx)

    def create_watching(self: SecantusDBServer, *arguments: Any, **named: Any) -> None:
        create(self, *arguments, **named)
        registry = self.transactions
        registry.last_connection = {}
        close = self.connections.close

        def close_and_abort(connection_id: int) -> None:
            close(connection_id)
            for lsid, last in list(registry.last_connection.items()):
                if last == connection_id:
                    registry.last_connection.pop(lsid, None)
                    transaction = registry._txns.get(lsid)
                    if transaction is not None:
                        abort_if_idle(registry, transaction)

        self.connections.close = close_and_abort

    commands._run_txn_statement = run_noting_connection
    SecantusDBServer.__init__ = create_watching


def correct_retryable_records() -> None:
    """Of each session only the newest retryable write is kept, and nothing is scanned.

    MongoDB keeps one record for a session: a retry can only be of its newest write. This server
    keeps the last 10,000 writes of all sessions and looks through them twice at each write,
    which makes a write twenty times slower after some thousands. It looks through all known
    sessions at each command as well. Records and sessions are now kept in the order of their
    last use, so that the old ones stand in front.
    """

    def record(
        self: TransactionRegistry, lsid: bytes, number: int, identity: bytes, reply: dict[str, Any]
    ) -> None:
        if not transactions._is_recordable_reply(reply):
            return
        kept = transactions._strip_per_attempt_fields(reply)
        with self._lock:
            newest: dict[bytes, int] = self.__dict__.setdefault("newest_retryable", {})
            self._retryable.pop((lsid, newest.get(lsid, number)), None)
            newest[lsid] = number
            self._retryable[lsid, number] = (kept, self._time(), identity)
            self._prune_retryable_locked()

    def prune(self: TransactionRegistry) -> None:
        oldest = self._time() - transactions._RETRYABLE_RECORD_LIFETIME_SECONDS
        excess = len(self._retryable) - transactions._RETRYABLE_RECORD_MAX
        while self._retryable:
            key = next(iter(self._retryable))
            if excess <= 0 and self._retryable[key][1] >= oldest:
                break
            del self._retryable[key]
            self.newest_retryable.pop(key[0], None)
            excess -= 1

    def register(self: SessionRegistry, lsid: bytes) -> None:
        if not isinstance(lsid, bytes) or len(lsid) != 16:
            raise ValueError("lsid must be a 16-byte UUID payload")
        with self._lock:
            self._sessions.pop(lsid, None)
            self._sessions[lsid] = self._time()
            oldest = self._time() - self._idle_ttl
            while self._sessions[first := next(iter(self._sessions))] < oldest:
                del self._sessions[first]

    TransactionRegistry.record_retryable = record
    TransactionRegistry._prune_retryable_locked = prune
    SessionRegistry.register = register


def correct_forgotten_commits() -> None:
    """A commit that was done before a crash is still known after it.

    MongoDB keeps each session's last transaction in a collection, written with the transaction:
    a commit whose answer was lost is repeated by the driver and answered "done", also by a
    restarted server. This server keeps them in memory, and answers NoSuchTransaction with
    TransientTransactionError: the client then does everything a second time. The session and
    number stand in the oplog entries that each commit writes, so that they are read from there.
    """
    create = SecantusDBServer.__init__

    def create_remembering(self: SecantusDBServer, *arguments: Any, **named: Any) -> None:
        create(self, *arguments, **named)
        for lsid_doc, number in committed_transactions(self.storage):
            lsid = bytes(lsid_doc["id"])
            if number > self.transactions._last_number.get(lsid, -1):
                transaction = Transaction(lsid, lsid_doc, number, now=self.transactions._time())
                transaction.state = TxnState.COMMITTED
                self.transactions._txns[lsid] = transaction
                self.transactions._last_number[lsid] = number

    SecantusDBServer.__init__ = create_remembering


def committed_transactions(storage: Any) -> list[tuple[dict[str, Any], int]]:
    """Session and number of the transactions in the newest oplog entries."""
    found = []
    cursor = storage._cursor(_OPLOG_TABLE)
    for _ in range(RECOVERED_OPLOG_ENTRIES):
        if cursor.prev() != 0:
            break
        entry = commands.bson.decode(bytes(cursor.get_value()))
        if "lsid" in entry and "txnNumber" in entry:
            found.append((entry["lsid"], int(entry["txnNumber"])))
    storage.release_thread_snapshot()
    return found


def correct_sweeping_snapshot() -> None:
    """Between two TTL sweeps nothing is held.

    MongoDB's TTL monitor holds no snapshot while it sleeps. This server's sweeper keeps the one of
    its last read for the minute until the next sweep. What is written meanwhile stays as versions
    that no page may let go, and once a page has thousands of them every access sleeps: under a
    steady load the server did almost nothing for half of each minute, with idle processors.
    """
    sweep = Storage.prune_ttl_all_collections

    def sweep_and_release(self: Storage, *arguments: Any, **named: Any) -> Any:
        try:
            return sweep(self, *arguments, **named)
        finally:
            self.release_thread_snapshot()

    Storage.prune_ttl_all_collections = sweep_and_release

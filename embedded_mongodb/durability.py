"""Corrections that make a commit survive the death of the server's process.

This file runs inside and adapts SecantusDB, which is GPL-2.0; nothing else of this project
imports it; it talks to the application only over the wire.
"""

from typing import Any

from secantus import storage

LAZY_LOG = "transaction_sync=(enabled=false,method=fsync)"
LOG_AT_COMMIT = "transaction_sync=(enabled=true,method=none)"


def correct_log_at_commit() -> None:
    """A commit that was answered survives a kill -9 of the server.

    MongoDB answers a write of the default concern (w: majority) when it is in the journal. This
    server asks WiredTiger for no sync at a commit, which leaves the log record in a buffer of
    the process for a while: a kill -9 right after the answer loses it (tried: 17 of 200).
    `method=none` hands every record to the operating system before the commit returns, without
    an fsync: what was answered survives the process, though not a power cut.
    """
    original = storage.wt.wiredtiger_open

    def wiredtiger_open(home: str, config: str, *arguments: Any) -> Any:
        return original(home, config.replace(LAZY_LOG, LOG_AT_COMMIT), *arguments)

    storage.wt.wiredtiger_open = wiredtiger_open


def relax_throwaway() -> None:
    """No fsync for `j: true` either: a throw-away server need not survive a power cut."""
    original = storage._commit_batch_transaction

    def commit(session: Any, sync: bool) -> None:
        original(session, False)

    storage._commit_batch_transaction = commit

"""How long transactions and the records of retryable writes are kept."""

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64
from pymongo import MongoClient
from pymongo.errors import ExecutionTimeout, OperationFailure

from embedded_mongodb.process import PROJECT_ROOT, EmbeddedServer

Document = dict[str, Any]


def increment(client: MongoClient[Document], max_milliseconds: int) -> Document:
    """Add 1 to the counter by a plain write that waits for so long at most."""
    return client.shop.command(
        {
            "update": "counters",
            "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}}],
            "maxTimeMS": max_milliseconds,
        }
    )


def test_open_transaction_is_aborted_after_its_lifetime(
    start_server: Callable[..., EmbeddedServer], connect: Callable[..., MongoClient[Document]]
) -> None:
    """Nobody but the reaper comes by: the plain write gets through while it waits."""
    client = connect(start_server(transaction_lifetime_seconds=0.5))
    client.shop.counters.insert_one({"_id": 1, "n": 0})
    with client.start_session() as session:
        session.start_transaction()
        client.shop.counters.update_one({"_id": 1}, {"$inc": {"n": 10}}, session=session)
        assert increment(client, 5000)["nModified"] == 1
        with pytest.raises(OperationFailure) as gone:
            session.commit_transaction()

    assert gone.value.code == 251
    assert gone.value.has_error_label("TransientTransactionError")
    assert client.shop.counters.find_one() == {"_id": 1, "n": 1}


def test_without_the_reaper_the_transaction_blocks_plain_writes(
    start_server: Callable[..., EmbeddedServer], connect: Callable[..., MongoClient[Document]]
) -> None:
    client = connect(start_server(without="reaping", transaction_lifetime_seconds=0.2))
    client.shop.counters.insert_one({"_id": 1, "n": 0})
    with client.start_session() as session:
        session.start_transaction()
        client.shop.counters.update_one({"_id": 1}, {"$inc": {"n": 10}}, session=session)
        with pytest.raises(ExecutionTimeout):
            increment(client, 800)
        session.abort_transaction()


def hold_transaction(uri: str, written: Any) -> None:
    """Run in a process of its own: write in a transaction, tell, and never end it."""
    with MongoClient[Document](uri) as client, client.start_session() as session:
        session.start_transaction()
        client.shop.counters.update_one({"_id": 1}, {"$inc": {"n": 10}}, session=session)
        written.set()
        multiprocessing.Event().wait()


@pytest.mark.parametrize("corrected", [True, False])
def test_killed_client_blocks_nobody(
    corrected: bool,
    start_server: Callable[..., EmbeddedServer],
    connect: Callable[..., MongoClient[Document]],
) -> None:
    server = start_server(without=None if corrected else "dropped-connections")
    client = connect(server)
    client.shop.counters.insert_one({"_id": 1, "n": 0})
    spawn = multiprocessing.get_context("spawn")
    written = spawn.Event()
    holder = spawn.Process(target=hold_transaction, args=(server.uri, written), daemon=True)
    holder.start()
    assert written.wait(20)
    with pytest.raises(ExecutionTimeout):
        increment(client, 200)

    holder.kill()
    holder.join()

    if corrected:
        assert increment(client, 5000)["nModified"] == 1
        assert client.shop.counters.find_one() == {"_id": 1, "n": 1}
    else:
        with pytest.raises(ExecutionTimeout):
            increment(client, 500)


def test_transaction_goes_on_while_another_connection_of_its_client_is_closed(
    server: EmbeddedServer, connect: Callable[..., MongoClient[Document]]
) -> None:
    client = connect(server)
    client.shop.drop_collection("counters")
    client.shop.counters.insert_one({"_id": 1, "n": 0})
    with client.start_session() as session, session.start_transaction():
        client.shop.counters.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        with MongoClient[Document](server.uri) as other:
            assert other.shop.counters.find_one() == {"_id": 1, "n": 0}
        client.shop.counters.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)

    assert client.shop.counters.find_one() == {"_id": 1, "n": 2}


def test_repeated_retryable_write_is_applied_once(
    server: EmbeddedServer, connect: Callable[..., MongoClient[Document]]
) -> None:
    client = connect(server)
    client.shop.drop_collection("counters")
    client.shop.counters.insert_one({"_id": 1, "n": 0})

    with client.start_session() as session:

        def send(number: int) -> Document:
            return client.shop.command(
                {
                    "update": "counters",
                    "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}}],
                    "txnNumber": Int64(number),
                },
                session=session,
            )

        replies = [send(1), send(1), send(2), send(2)]

    assert [reply["nModified"] for reply in replies] == [1, 1, 1, 1]
    assert client.shop.counters.find_one() == {"_id": 1, "n": 2}


RECORD_MANY = """
from secantus.transactions import TransactionRegistry
from secantus.sessions import SessionRegistry
{correct}
registry = TransactionRegistry()
for session in range(3):
    for number in range(1, 1001):
        registry.record_retryable(bytes([session]) * 16, number, b"same", {{"ok": 1, "n": number}})
newest = registry.retryable_reply(bytes([2]) * 16, 1000, b"same")
print(len(registry._retryable), newest["n"])
"""


@pytest.mark.parametrize(
    ("correct", "printed"),
    [
        (
            "from embedded_mongodb.lifetimes import correct_retryable_records\n"
            "correct_retryable_records()",
            "3 1000\n",
        ),
        ("", "3000 1000\n"),
    ],
    ids=["corrected", "negative control"],
)
def test_one_retryable_record_is_kept_for_a_session(correct: str, printed: str) -> None:
    """In a process of its own: nothing here imports the server's package."""
    done = subprocess.run(
        [sys.executable, "-c", RECORD_MANY.format(correct=correct)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == printed


EXPIRE = """
import itertools
from secantus.sessions import SessionRegistry
from secantus.transactions import TransactionRegistry
from embedded_mongodb.lifetimes import correct_retryable_records
correct_retryable_records()
now = [0.0]
registry = TransactionRegistry(time_func=lambda: now[0])
sessions = SessionRegistry(time_func=lambda: now[0])
for second in range(4000):
    now[0] = float(second)
    registry.record_retryable(second.to_bytes(16, "big"), 1, b"same", {"ok": 1})
    sessions.register(second.to_bytes(16, "big"))
    sessions.register((0).to_bytes(16, "big"))
print(len(registry._retryable), len(registry.newest_retryable), len(sessions._sessions))
print(sessions.is_known((0).to_bytes(16, "big")), sessions.is_known((1).to_bytes(16, "big")))
"""


def test_records_and_sessions_end_after_thirty_minutes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXPIRE],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == "1801 1801 1802\nTrue False\n"


SWEEP_AND_WRITE = """
import tempfile, threading
from secantus import storage
{correct}
connections = []
original = storage.wt.wiredtiger_open
def counting(home, config, *arguments):
    connections.append(original(home, config + ",statistics=(fast)", *arguments))
    return connections[0]
storage.wt.wiredtiger_open = counting
folder = tempfile.TemporaryDirectory()
store = storage.Storage(folder.name, durable=False)
store.insert("shop", "items", [{{"_id": 0, "n": 0}}])
store.create_index("shop", "items", "gone_1", {{"gone": 1}}, {{"expireAfterSeconds": 9}})
swept, may_end = threading.Event(), threading.Event()
def sweep():
    store.prune_ttl_all_collections()
    swept.set()
    may_end.wait(30)
sweeper = threading.Thread(target=sweep)
sweeper.start()
swept.wait(30)
for number in range(1, 1001):
    store.insert("shop", "items", [{{"_id": number}}])
    store.release_thread_snapshot()
session = connections[0].open_session()
look = session.open_cursor("statistics:", None, "statistics=(fast)")
print("pinned:", look[storage.wt.stat.conn.txn_pinned_range][2] >= 1000)
look.close()
session.close()
may_end.set()
sweeper.join()
store.close()
"""


@pytest.mark.parametrize(
    ("correct", "pinned"),
    [
        (
            "from embedded_mongodb.lifetimes import correct_sweeping_snapshot\n"
            "correct_sweeping_snapshot()",
            "pinned: False\n",
        ),
        ("", "pinned: True\n"),
    ],
    ids=["corrected", "negative control"],
)
def test_a_sweeper_that_sleeps_pins_no_old_version(correct: str, pinned: str) -> None:
    """WiredTiger looks for the oldest reader now and then only: up to 200 writes are still held."""
    done = subprocess.run(
        [sys.executable, "-c", SWEEP_AND_WRITE.format(correct=correct)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.stdout, done.stderr) == (pinned, "")

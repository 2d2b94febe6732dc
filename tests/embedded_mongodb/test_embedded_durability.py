"""What survives a kill -9 of the server: all that was answered, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from embedded_mongodb.process import EmbeddedServer

Document = dict[str, Any]
StartServer = Callable[..., EmbeddedServer]
Connect = Callable[..., MongoClient[Document]]


def buy(client: MongoClient[Document], number: int) -> None:
    with client.start_session() as session, session.start_transaction():
        client.shop.stock.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        client.shop.orders.insert_one({"_id": number}, session=session)


def lost_at_a_kill(server: EmbeddedServer, connect: Connect, sales: int) -> int:
    """Sell, kill the server right after the last commit's answer, and count what is missing."""
    client = connect(server)
    client.shop.stock.update_one({"_id": 1}, {"$set": {"n": 0}}, upsert=True)
    client.shop.orders.delete_many({})
    for number in range(sales):
        buy(client, number)
    server.kill()
    with connect(server.start()) as after:
        kept = after.shop.orders.count_documents({})
        stock = after.shop.stock.find_one()
    assert (stock or {"n": 0})["n"] == kept
    return sales - kept


def test_answered_commit_survives_a_kill(start_server: StartServer, connect: Connect) -> None:
    server = start_server()

    assert [lost_at_a_kill(server, connect, 10) for _ in range(2)] == [0, 0]


@pytest.mark.deep
def test_without_the_correction_answered_commits_are_lost(
    start_server: StartServer, connect: Connect
) -> None:
    """Up to ten rounds: now and then the log is handed over just before the kill."""
    server = start_server(without="log-at-commit")

    assert any(lost_at_a_kill(server, connect, 10) for _ in range(10))


def test_kept_folder_survives_a_kill(
    start_server: StartServer, connect: Connect, tmp_path: Any
) -> None:
    server = start_server(data_dir=tmp_path / "data")

    assert lost_at_a_kill(server, connect, 10) == 0


def test_uncommitted_transaction_leaves_nothing_after_a_kill(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server()
    client = connect(server, serverSelectionTimeoutMS=100)
    client.shop.orders.create_index("key", unique=True)
    client.shop.stock.insert_one({"_id": 1, "n": 0})
    with client.start_session() as session:
        session.start_transaction()
        client.shop.stock.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        client.shop.orders.insert_one({"_id": 1, "key": "a"}, session=session)
        client.shop.stock.insert_one({"_id": 2, "n": 5}, session=session)
        # A later commit writes the log further: what stands open must still not count.
        client.shop.stock.insert_one({"_id": 3, "n": 7})
        server.kill()

    after = connect(server.start()).shop
    assert list(after.stock.find(sort=[("_id", 1)])) == [{"_id": 1, "n": 0}, {"_id": 3, "n": 7}]
    assert after.orders.count_documents({}) == 0
    after.orders.insert_one({"_id": 2, "key": "a"})
    assert after.orders.find_one({"key": "a"}) == {"_id": 2, "key": "a"}


@pytest.mark.parametrize("corrected", [True, False])
def test_commit_repeated_after_a_crash_is_known(
    corrected: bool, start_server: StartServer, connect: Connect
) -> None:
    """The driver sends a commit again when no answer came, also to a restarted server."""
    server = start_server(without=None if corrected else "forgotten-commits")
    client = connect(server)
    with client.start_session() as session:
        with session.start_transaction():
            client.shop.orders.insert_one({"_id": 1}, session=session)
        server.kill()
        server.start()

        if corrected:
            session.commit_transaction()
        else:
            with pytest.raises(OperationFailure) as forgotten:
                session.commit_transaction()
            assert forgotten.value.code == 251
            assert forgotten.value.has_error_label("TransientTransactionError")

    assert client.shop.orders.count_documents({}) == 1


def test_commit_of_an_open_transaction_after_a_crash_is_refused(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server()
    client = connect(server)
    with client.start_session() as session:
        with session.start_transaction():
            client.shop.orders.insert_one({"_id": 1}, session=session)
        session.start_transaction()
        client.shop.orders.insert_one({"_id": 2}, session=session)
        server.kill()
        server.start()
        with pytest.raises(OperationFailure) as unknown:
            session.commit_transaction()

    assert unknown.value.code == 251
    assert [row["_id"] for row in client.shop.orders.find()] == [1]

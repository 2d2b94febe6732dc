"""Writes that meet an open transaction's write: who waits, who fails, who is never stopped."""

import contextlib
import datetime
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import (
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
)

from embedded_mongodb.process import EmbeddedServer

Document = dict[str, Any]
Write = Callable[[Database[Document], ClientSession | None], Any]

WRITES: dict[str, Write] = {
    "update_one": lambda db, s: db.plans.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=s),
    "update_many": lambda db, s: db.plans.update_many({"g": 1}, {"$inc": {"n": 1}}, session=s),
    "replace_one": lambda db, s: db.plans.replace_one({"_id": 1}, {"n": 1}, session=s),
    "find_one_and_update": lambda db, s: db.plans.find_one_and_update(
        {"_id": 1}, {"$inc": {"n": 1}}, session=s
    ),
    "delete_one": lambda db, s: db.plans.delete_one({"_id": 1}, session=s),
    "delete_many": lambda db, s: db.plans.delete_many({"g": 1}, session=s),
    "insert_one": lambda db, s: db.plans.insert_one({"key": "new"}, session=s),
    "upsert": lambda db, s: db.plans.update_one(
        {"_id": 9}, {"$inc": {"n": 1}}, upsert=True, session=s
    ),
}
PAST = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
FUTURE = datetime.datetime(2126, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def shop(database: Database[Document]) -> Database[Document]:
    prepare(database)
    return database


def prepare(database: Database[Document]) -> None:
    database.plans.create_index(
        "key", unique=True, partialFilterExpression={"key": {"$type": "string"}}
    )
    database.plans.insert_many([{"_id": 1, "n": 0, "g": 1}, {"_id": 2, "n": 0, "g": 2}])


def write_everything(database: Database[Document], session: ClientSession) -> None:
    """Write document 1, the unique key "new" and document 9, so that all WRITES conflict."""
    database.plans.update_one({"_id": 1}, {"$inc": {"n": 10}}, session=session)
    database.plans.insert_one({"_id": 9, "n": 10, "key": "new"}, session=session)


@pytest.mark.parametrize("name", WRITES)
def test_conflict_inside_a_transaction_fails_at_once(shop: Database[Document], name: str) -> None:
    start_session = shop.client.start_session
    with start_session() as first, start_session() as second, first.start_transaction():
        write_everything(shop, first)
        second.start_transaction()
        with pytest.raises(OperationFailure) as conflict:
            WRITES[name](shop, second)
        assert conflict.value.code == 112
        assert conflict.value.has_error_label("TransientTransactionError")
        with pytest.raises(OperationFailure) as gone:
            second.commit_transaction()
        assert gone.value.code == 251

    assert shop.plans.find_one({"_id": 1}) == {"_id": 1, "n": 10, "g": 1}


@pytest.mark.parametrize("name", WRITES)
def test_plain_write_waits_for_the_transaction_and_never_stops_it(
    shop: Database[Document], name: str
) -> None:
    outcome: list[object] = []

    def write() -> None:
        try:
            outcome.append(WRITES[name](shop, None))
        except DuplicateKeyError as error:
            outcome.append(error)

    waiting = threading.Thread(target=write, daemon=True)
    with shop.client.start_session() as session, session.start_transaction():
        write_everything(shop, session)
        waiting.start()
        waiting.join(0.15)
        assert outcome == []
        shop.plans.update_one({"_id": 2}, {"$inc": {"n": 1}}, session=session)
        assert outcome == []
    waiting.join(10)

    assert len(outcome) == 1
    if name == "insert_one":
        assert isinstance(outcome[0], DuplicateKeyError)
    expected = {
        "update_one": {"_id": 1, "n": 11, "g": 1},
        "update_many": {"_id": 1, "n": 11, "g": 1},
        "replace_one": {"_id": 1, "n": 1},
        "find_one_and_update": {"_id": 1, "n": 11, "g": 1},
        "delete_one": None,
        "delete_many": None,
    }.get(name, {"_id": 1, "n": 10, "g": 1})
    assert shop.plans.find_one({"_id": 1}) == expected
    assert shop.plans.find_one({"_id": 2}) == {"_id": 2, "n": 1, "g": 2}
    assert shop.plans.find_one({"_id": 9})["n"] == (11 if name == "upsert" else 10)  # type: ignore[index]
    assert shop.plans.count_documents({"key": "new"}) == 1


@pytest.mark.deep
def test_without_the_correction_update_many_stops_the_transaction(
    start_server: Callable[..., EmbeddedServer],
    connect: Callable[..., MongoClient[Document]],
) -> None:
    server = start_server(without="waiting-for-conflicts")
    shop = connect(server, serverSelectionTimeoutMS=100).shop
    prepare(shop)

    def write_quietly(session: ClientSession | None) -> None:
        with contextlib.suppress(PyMongoError):
            if session is None:
                WRITES["update_many"](shop, None)
            else:
                shop.plans.update_one({"_id": 2}, {"$inc": {"n": 1}}, session=session)

    with shop.client.start_session() as session:
        session.start_transaction()
        write_everything(shop, session)
        waiting = threading.Thread(target=write_quietly, args=(None,), daemon=True)
        waiting.start()
        waiting.join(0.3)
        again = threading.Thread(target=write_quietly, args=(session,), daemon=True)
        again.start()
        again.join(0.5)
        stood_still = again.is_alive()
        server.kill()
        again.join(10)
    waiting.join(10)

    assert stood_still


def upsert_while_another_inserts(shop: Database[Document], after: bool) -> Document | None:
    """What an upserting find_one_and_update answers that began before another's insert ended."""
    answers: list[Document | None] = []

    def count() -> None:
        answers.append(
            shop.counters.find_one_and_update(
                {"_id": "k"}, {"$inc": {"n": 1}}, upsert=True, return_document=after
            )
        )

    waiting = threading.Thread(target=count, daemon=True)
    with shop.client.start_session() as session, session.start_transaction():
        shop.counters.insert_one({"_id": "k", "n": 1}, session=session)
        waiting.start()
        waiting.join(0.3)
        assert answers == []
    waiting.join(30)

    assert shop.counters.find_one() == {"_id": "k", "n": 2}
    return answers[0]


@pytest.mark.parametrize(
    ("after", "answer"), [(True, {"_id": "k", "n": 2}), (False, {"_id": "k", "n": 1})]
)
def test_upsert_that_met_anothers_insert_returns_the_document(
    shop: Database[Document], after: bool, answer: Document
) -> None:
    assert upsert_while_another_inserts(shop, after) == answer


def test_upserts_at_once_each_get_their_own_number(shop: Database[Document]) -> None:
    numbers: list[int] = []

    def count(key: int) -> None:
        found = shop.counters.find_one_and_update(
            {"_id": key}, {"$inc": {"n": 1}}, upsert=True, return_document=True
        )
        numbers.append(found["n"])

    for key in range(40):
        threads = [threading.Thread(target=count, args=(key,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(numbers) == [n for n in range(1, 5) for _ in range(40)]


@pytest.mark.deep
def test_without_the_correction_such_an_upsert_returns_nothing(
    start_server: Callable[..., EmbeddedServer],
    connect: Callable[..., MongoClient[Document]],
) -> None:
    shop = connect(start_server(without="upserting-find-and-modify")).shop

    assert upsert_while_another_inserts(shop, True) is None


@pytest.mark.parametrize(
    "command",
    [
        {"update": "plans", "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}}]},
        {
            "update": "plans",
            "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}, "multi": True}],
        },
        {"delete": "plans", "deletes": [{"q": {"_id": 1}, "limit": 0}]},
        {"findAndModify": "plans", "query": {"_id": 1}, "update": {"$inc": {"n": 1}}},
        {"insert": "plans", "documents": [{"key": "new"}]},
    ],
)
def test_waiting_write_ends_with_its_max_time(shop: Database[Document], command: Document) -> None:
    with shop.client.start_session() as session, session.start_transaction():
        write_everything(shop, session)
        with pytest.raises(ExecutionTimeout):
            shop.command({**command, "maxTimeMS": 150})

    assert shop.plans.find_one({"_id": 1}) == {"_id": 1, "n": 10, "g": 1}


def test_conditional_update_in_many_transactions_loses_nothing(shop: Database[Document]) -> None:
    shop.plans.insert_one({"_id": "hot", "stock": 20})
    sold: list[int] = []

    def buy(session: ClientSession, buyer: int) -> bool:
        taken = shop.plans.update_many(
            {"_id": "hot", "stock": {"$gte": 1}}, {"$inc": {"stock": -1}}, session=session
        )
        if taken.matched_count:
            shop.orders.insert_one({"buyer": buyer}, session=session)
        return bool(taken.matched_count)

    shop.orders.create_index("buyer")

    def run(buyer: int) -> None:
        for _ in range(2):
            with shop.client.start_session() as session:
                if session.with_transaction(lambda s: buy(s, buyer)):
                    sold.append(buyer)

    threads = [threading.Thread(target=run, args=(buyer,)) for buyer in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sold) == 20
    assert shop.plans.find_one({"_id": "hot"}) == {"_id": "hot", "stock": 0}
    assert shop.orders.count_documents({}) == 20


def test_reads_of_a_transaction_see_one_snapshot(shop: Database[Document]) -> None:
    with shop.client.start_session() as session:
        session.start_transaction()
        assert shop.plans.count_documents({}, session=session) == 2
        shop.plans.delete_one({"_id": 2})
        shop.plans.insert_one({"_id": 3, "n": 0, "g": 1})
        shop.plans.update_one({"_id": 1}, {"$inc": {"n": 1}})

        seen = list(shop.plans.find({}, sort=[("_id", 1)], session=session))
        joined = list(shop.plans.aggregate([{"$match": {"g": 1}}], session=session))
        with pytest.raises(OperationFailure) as conflict:
            shop.plans.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)

    assert seen == [{"_id": 1, "n": 0, "g": 1}, {"_id": 2, "n": 0, "g": 2}]
    assert joined == [{"_id": 1, "n": 0, "g": 1}]
    assert conflict.value.code == 112


def test_ttl_sweep_deletes_what_is_expired_and_covered(
    start_server: Callable[..., EmbeddedServer],
    connect: Callable[..., MongoClient[Document]],
    eventually: Callable[..., bool],
) -> None:
    shop = connect(start_server(extra_arguments=("--ttl-sweep", "0.1"))).shop
    shop.counters.create_index(
        "ends_at", expireAfterSeconds=0, partialFilterExpression={"open": True}
    )
    shop.counters.insert_many(
        [
            {"_id": 1, "ends_at": PAST, "open": True},
            {"_id": 2, "ends_at": FUTURE, "open": True},
            {"_id": 3, "ends_at": PAST, "open": False},
            {"_id": 4, "open": True},
        ]
    )

    assert eventually(lambda: shop.counters.count_documents({"_id": 1}) == 0)
    assert [row["_id"] for row in shop.counters.find({}, sort=[("_id", 1)])] == [2, 3, 4]


def test_document_that_an_open_transaction_prolongs_is_not_expired(
    start_server: Callable[..., EmbeddedServer],
    connect: Callable[..., MongoClient[Document]],
    eventually: Callable[..., bool],
) -> None:
    shop = connect(start_server(extra_arguments=("--ttl-sweep", "0.1"))).shop
    for name in ("a_first", "counters"):
        shop[name].create_index("ends_at", expireAfterSeconds=0)
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=0.5)
    shop.counters.insert_one({"_id": 1, "phone": "a", "ends_at": soon})
    with shop.client.start_session() as session, session.start_transaction():
        shop.counters.update_one({"_id": 1}, {"$set": {"ends_at": FUTURE}}, session=session)
        assert eventually(lambda: datetime.datetime.now(datetime.UTC) > soon)
        shop.a_first.insert_one({"_id": 1, "ends_at": PAST})
        assert eventually(lambda: shop.a_first.count_documents({}) == 0)
    shop.counters.insert_one({"_id": 2, "ends_at": PAST})

    assert eventually(lambda: shop.counters.count_documents({"_id": 2}) == 0)
    assert shop.counters.find_one({"ends_at": FUTURE}, {"ends_at": 0}) == {"_id": 1, "phone": "a"}

"""What every test starts from; the database server is started in tests/database.py.

Django's TestCase rollback does not exist on MongoDB, so each test empties what it wrote: a
listener notes the collections written to, and only those are cleared.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient, monitoring
from xdist.scheduler import LoadScopeScheduling

from tests.rival import RIVALS

# Made by the migrations, needed by every test.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
WRITES = {"insert", "update", "delete", "findAndModify"}


# Packages whose tests share processes that are dear to start: one worker runs them all. They come
# first, so "dev" is one as well: its tests mostly wait, for a shop that starts, and pytest-django
# leaves them to the end, when nothing else is left to run beside them.
TOGETHER = {"browser", "dev", "embedded_mongodb", "razorpay_sandbox"}


class ByPackage(LoadScopeScheduling):
    """Hands a package of TOGETHER to one worker as a whole, and every other test by itself.

    pytest-xdist's own groups are not heeded by the pytest that we use.
    """

    def _split_scope(self, nodeid: str) -> str:
        package = nodeid.split("/")[-2]
        return package if package in TOGETHER else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPackage:
    """Hand the tests out in our way; asked with `-n` only."""
    return ByPackage(config, log)


def _may_add(name: str, command: Any) -> bool:
    """Whether a command can leave a document where none was; most reads are aggregations."""
    if name == "update":
        return any(update.get("upsert") for update in command["updates"])
    if name == "findAndModify":
        return bool(command.get("upsert"))
    if name == "aggregate":
        return any({"$merge", "$out"} & stage.keys() for stage in command["pipeline"])
    return name == "insert"


class WrittenCollections(monitoring.CommandListener):
    """Remembers which collections may hold a document since the last test."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.by_others_too = False
        self.commands: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        name = event.command_name
        self.commands.append(f"{name} {event.command.get(name, '')}")
        if isinstance(event.command[name], str) and _may_add(name, event.command):
            self.names.add(event.command[name])

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to note."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to note."""


WRITTEN = WrittenCollections()
monitoring.register(WRITTEN)
monitoring.register(RIVALS)


@pytest.fixture(scope="session", autouse=True)
def _fast_flush() -> Iterator[None]:
    """Clear only the collections that were written to, instead of all of them.

    For the whole session: Django's own flush, which also makes every permission anew, would take
    half a second wherever a test's database is given back after this was undone.
    """
    from django.test import TransactionTestCase

    def clear(self: Any) -> None:
        from django.db import connection

        connection.ensure_connection()
        found = WRITTEN.names
        if WRITTEN.by_others_too:
            found = set(connection.database.list_collection_names())
        for name in sorted(found - KEPT):
            connection.database[name].delete_many({})
        WRITTEN.names.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", clear)
        yield


@pytest.fixture(autouse=True)
def _note_other_processes(request: pytest.FixtureRequest) -> None:
    """Processes that a test starts write past the listener: after them everything is cleared."""
    marks = ("browser", "crash", "load", "deep")
    WRITTEN.by_others_too = any(request.node.get_closest_marker(mark) for mark in marks)


@pytest.fixture
def commands(db: None) -> Iterator[list[str]]:
    """The database commands sent since the fixture was made; clear() it to start anew."""
    WRITTEN.commands.clear()
    yield WRITTEN.commands


@pytest.fixture
def customer(db: None) -> Any:
    """A customer."""
    from tests.factories import CustomerFactory

    return CustomerFactory()


@pytest.fixture
def client_for(db: None) -> Callable[[Any], Any]:
    """Return a function that gives a browser in which a user is logged in."""
    from django.test import Client

    def make(user: Any) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def raw_client() -> Iterator[MongoClient]:
    """A driver connection beside Django's, to look at documents as they lie in the database."""
    client: MongoClient = MongoClient(os.environ["MONGODB_URI"])
    yield client
    client.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what the random runs tried and injected, also when workers ran them."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    for report in reports:
        for name, value in getattr(report, "user_properties", []):
            if name == "money":
                terminalreporter.write_line(str(value))

"""Servers for the tests of the embedded server; they use pymongo alone, no Django.

What the server does without a correction changes only with its version, which is pinned: those
negative controls are deep.
"""

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

PROJECT_ROOT = Path(__file__).resolve().parents[2]
if str(PROJECT_ROOT) not in sys.path:
    sys.path.insert(0, str(PROJECT_ROOT))

from embedded_mongodb.process import EmbeddedServer  # noqa: E402

Document = dict[str, Any]
StartServer = Callable[..., EmbeddedServer]


def eventually(condition: Callable[[], bool], *, seconds: float = 10.0) -> bool:
    """Whether the condition came true before the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., bool]:
    return eventually


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A throw-away server with every correction, one for the module."""
    with EmbeddedServer() as running:
        yield running


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Start further throw-away servers, for example one without a correction."""
    started: list[EmbeddedServer] = []

    def start(*, without: str | None = None, **options: Any) -> EmbeddedServer:
        if without is not None:
            options["extra_arguments"] = ("--without", without)
        server = EmbeddedServer(**options)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def connect() -> Iterator[Callable[..., MongoClient[Document]]]:
    """Open clients that are closed at the end of the test."""
    clients: list[MongoClient[Document]] = []

    def open_client(server: EmbeddedServer, **options: Any) -> MongoClient[Document]:
        # A client of a server that is gone tries to end its sessions there when it is closed.
        options = {"serverSelectionTimeoutMS": 2000, **options}
        client: MongoClient[Document] = MongoClient(server.uri, **options)
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        client.close()


@pytest.fixture
def client(
    server: EmbeddedServer, connect: Callable[..., MongoClient[Document]]
) -> MongoClient[Document]:
    return connect(server)


@pytest.fixture
def database(client: MongoClient[Document]) -> Database[Document]:
    """An empty database of the module's server."""
    return client[f"test_{secrets.token_hex(6)}"]

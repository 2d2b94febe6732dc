"""What is looked at before anything is started, each refusal one sentence."""

import errno
import socket
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from dev.errors import CannotRun

HOST = "127.0.0.1"
OLD_NAMES = {"MONGODB_URL": "MONGODB_URI", "DATABASE_NAME": "MONGODB_NAME"}
SERVER_WAIT_MS = 3000


def refuse_old_names(environment: Mapping[str, str]) -> None:
    """Raise CannotRun for a variable of the system that this one replaces.

    Ignored in silence it would lead to another database than the one meant.
    """
    for old, new in OLD_NAMES.items():
        if old in environment:
            raise CannotRun(
                f"{old} is a variable of the old system and is not read here: "
                f"set {new} instead and remove {old}."
            )


def refuse_taken_port(port: int) -> None:
    """Raise CannotRun when nothing can listen on `port` of this machine."""
    with socket.socket() as probe:
        # As the web server does: a port whose last connections are only closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OverflowError:
            raise CannotRun(f"{port} is not a port: choose one from 1 to 65535.") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotRun(
                    f"Port {port} on {HOST} is already in use: stop what uses it, "
                    "or choose another with `make run PORT=8001`."
                ) from None
            raise CannotRun(f"Port {port} on {HOST} cannot be used: {error.strerror}.") from None


def refuse_foreign_database(uri: str, name: str) -> None:
    """Raise CannotRun when the server does not answer or the database is somebody else's.

    Ours is an empty database, or one whose migrations include those of the orders app. The
    address itself is not repeated: it may hold a password.
    """
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(
            uri, serverSelectionTimeoutMS=SERVER_WAIT_MS
        )
        with client:
            client.admin.command("ping")
            database = client[name]
            if not database.list_collection_names():
                return
            ours = database["django_migrations"].find_one({"app": "orders"})
    except (PyMongoError, ValueError):
        raise CannotRun(
            "The MongoDB server that MONGODB_URI names does not answer: start it, correct "
            "MONGODB_URI, or unset it to use the embedded server."
        ) from None
    if ours is None:
        raise CannotRun(
            f'The database "{name}" is not empty and not of this shop: '
            "name another in MONGODB_NAME."
        )

"""Jobs that note that they ran."""

import os
import signal

from django.db import connection

from ottsonly.jobs import may_continue

DONE: list[str] = []


def first() -> None:
    """Ends well."""
    DONE.append("first")


def second() -> None:
    """Ends well."""
    DONE.append("second")


def broken() -> None:
    """Fails with a secret and a phone in its words."""
    raise RuntimeError("no answer for +91 98765 43210 from mongodb://shop:pass@db.example/x")


def terminated() -> None:
    """A SIGTERM comes while it works; it finishes the piece in hand and begins no other."""
    pieces = 0
    while may_continue():
        os.kill(os.getpid(), signal.SIGTERM)
        pieces += 1
    DONE.append(f"{pieces} piece")


def interrupted() -> None:
    """A Ctrl-C comes while it works."""
    os.kill(os.getpid(), signal.SIGINT)
    DONE.append("finished")


def endless() -> None:
    """Goes on for as long as it may."""
    while may_continue():
        DONE.append("piece")


def counted() -> None:
    """Leaves one document, so that runs in other processes can be counted."""
    connection.ensure_connection()
    connection.database["sample_runs"].insert_one({"pid": os.getpid()})

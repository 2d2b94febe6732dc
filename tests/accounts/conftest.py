"""A gateway that keeps what it was given, and helpers that walk the real pages."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

PHONE = "+919876543210"
SENT: list[tuple[str, str]] = []


class MemorySms:
    """Keeps messages in a list."""

    def send_code(self, *, phone: str, code: str) -> None:
        SENT.append((phone, code))

    def send_phone_changed(self, *, phone: str, new_phone: str) -> None:
        SENT.append((phone, f"moved to {new_phone}"))


@pytest.fixture(autouse=True)
def sent(settings: Any) -> Iterator[list[tuple[str, str]]]:
    """The messages sent in this test; production's way: no DEBUG, no demo code."""
    settings.DEBUG = False
    settings.DEMO_LOGIN_CODE = ""
    settings.SMS_BACKEND = "tests.accounts.conftest.MemorySms"
    settings.SECURE_SSL_REDIRECT = False
    SENT.clear()
    yield SENT
    SENT.clear()


def ask_code(client: Client, phone: str = "98765 43210", **extra: str) -> Any:
    """Post the log-in page."""
    return client.post("/login/", {"phone": phone, **extra})


def give_code(client: Client, code: str) -> Any:
    """Post the code page."""
    return client.post("/login/code/", {"code": code})


def log_in(client: Client, phone: str = PHONE) -> Any:
    """Log in by the real pages with the code that was really sent."""
    ask_code(client, phone)
    return give_code(client, SENT[-1][1])


def other_than(code: str) -> str:
    """Return six digits that are not `code`."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


def run_together(*works: Callable[[], Any]) -> list[Any]:
    """Run the works in threads that start at one barrier; errors come back as results."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(index: int) -> None:
        barrier.wait(timeout=10)
        try:
            results[index] = works[index]()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results

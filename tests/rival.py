"""Somebody who does his work exactly where it hurts.

A listener of the driver runs the rival's work in a thread of its own, to its end, just before a
chosen command of ours is sent. Nothing of the shop is patched: the command goes out afterwards as
it would have.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import monitoring

DEADLINE_SECONDS = 60


class Rivals(monitoring.CommandListener):
    """Acts before the chosen commands of the thread that chose them."""

    def __init__(self) -> None:
        self._before: Callable[[str, Any], None] | None = None
        self._thread = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self._before is not None and threading.get_ident() == self._thread:
            self._before(event.command_name, event.command.get(event.command_name))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Too late for a rival."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Too late for a rival."""

    @contextmanager
    def listening(self, before: Callable[[str, Any], None]) -> Iterator[None]:
        """Call `before` with name and collection of each command that this thread sends."""
        self._before, self._thread = before, threading.get_ident()
        try:
            yield
        finally:
            self._before = None


RIVALS = Rivals()


class Rival:
    """What the rival's work gave, once it is done."""

    def __init__(self) -> None:
        self.results: list[Any] = []

    def act(self, work: Callable[[], Any]) -> None:
        """Run `work` to its end in a thread with a database connection of its own."""
        thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        thread.start()
        thread.join(DEADLINE_SECONDS)
        if thread.is_alive():
            self.results.append("stands still")

    def _run(self, work: Callable[[], Any]) -> None:
        from django.db import connection

        try:
            self.results.append(work())
        except Exception as error:
            self.results.append(error)
        finally:
            connection.close()


@contextmanager
def rival_before(
    command: str, collection: str, work: Callable[[], Any], *, nth: int = 1, always: bool = False
) -> Iterator[Rival]:
    """Let a rival do `work` just before our `nth` `command` on `collection`.

    Args:
        command: as on the wire: "update", "insert", "aggregate", ...
        always: act before each from the nth on, so that we meet a rival at every try.

    Raises:
        AssertionError: the command was never sent, so the test proves nothing.
    """
    rival = Rival()
    seen = 0

    def before(name: str, target: Any) -> None:
        nonlocal seen
        if (name, target) != (command, collection):
            return
        seen += 1
        if seen == nth or (always and seen > nth):
            rival.act(work)

    with RIVALS.listening(before):
        yield rival
    assert rival.results, f"no {command} on {collection} was sent for the {nth}th time"

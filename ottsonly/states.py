"""Reading a room's table of allowed moves between states."""

from collections.abc import Collection, Mapping
from typing import TypeVar

State = TypeVar("State")


def sources(transitions: Mapping[State, Collection[State]], target: State) -> list[State]:
    """Return the states from which a document may move to `target`.

    They are the condition of the update that moves it, so that no state is written which the table
    does not allow, whoever else moves the same document.
    """
    return [state for state, following in transitions.items() if target in following]

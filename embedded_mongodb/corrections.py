"""The corrections of SecantusDB 0.7.0b3, applied in the server's own process.

This file runs inside and adapts SecantusDB, which is GPL-2.0; nothing else of this project
imports it; it talks to the application only over the wire.
"""

from collections.abc import Callable, Iterable

from embedded_mongodb import durability

CORRECTIONS: dict[str, Callable[[], None]] = {
    "log-at-commit": durability.correct_log_at_commit,
}


def apply(*, without: Iterable[str] = (), throwaway: bool = False) -> None:
    """Apply every correction but those named in `without`.

    Raises ValueError for a name that is none of CORRECTIONS.
    """
    unknown = set(without) - CORRECTIONS.keys()
    if unknown:
        raise ValueError(f"no such correction: {', '.join(sorted(unknown))}")
    for name, correct in CORRECTIONS.items():
        if name not in without:
            correct()
    if throwaway:
        durability.relax_throwaway()

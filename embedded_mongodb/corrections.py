"""The corrections of SecantusDB 0.7.0b3, applied in the server's own process.

This file runs inside and adapts SecantusDB, which is GPL-2.0; nothing else of this project
imports it; it talks to the application only over the wire.
"""

from collections.abc import Callable, Iterable

from embedded_mongodb import conflicts, durability, indexes, lifetimes, pipelines

CORRECTIONS: dict[str, Callable[[], None]] = {
    "nested-add-fields": pipelines.correct_nested_add_fields,
    "nested-project": pipelines.correct_nested_project,
    "waiting-for-conflicts": conflicts.correct_waiting_for_conflicts,
    "upserting-find-and-modify": conflicts.correct_upserting_find_and_modify,
    "reaping": lifetimes.correct_reaping,
    "dropped-connections": lifetimes.correct_dropped_connections,
    "retryable-records": lifetimes.correct_retryable_records,
    "ttl-deletion": conflicts.correct_ttl_deletion,
    "forgotten-commits": lifetimes.correct_forgotten_commits,
    "sweeping-snapshot": lifetimes.correct_sweeping_snapshot,
    "and-of-conditions": indexes.correct_and_of_conditions,
    "bounds-before-more-fields": indexes.correct_bounds_before_more_fields,
    "union-with": indexes.correct_union_with,
    "log-at-commit": durability.correct_log_at_commit,
}


def apply(*, without: Iterable[str] = (), throwaway: bool = False) -> None:
    """Apply every correction but those named in `without`.

    Raises ValueError for a name that is none of CORRECTIONS.
    """
    unknown = set(without) - CORRECTIONS.keys()
    if unknown:
        raise ValueError(f"There is no correction of the name {', '.join(sorted(unknown))}.")
    for name, correct in CORRECTIONS.items():
        if name not in without:
            correct()
    if throwaway:
        durability.relax_throwaway()

"""What needs hands now: one line for each kind of work, each led to by a link.

A room adds its line from its admin.py by `needs_hands(...)`. All lines are asked for by one
command: each is a pipeline that an index answers and that ends in one document with `count` and,
where age matters, `oldest`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, models
from django.utils import timezone

Pipeline = list[dict[str, Any]]


@dataclass(frozen=True)
class Work:
    """One kind of work.

    Args:
        name: unique, such as "orders.waiting".
        title: what it is, for people.
        model: the documents that are counted.
        stages: returns the pipeline at a moment (aware, now).
        url: returns the address of the filtered list.
        permission: who sees the line.
        order: where it stands; smaller is higher.
        urgent: shown in red while there is any.
    """

    name: str
    title: Any
    model: type[models.Model]
    stages: Callable[[datetime], Pipeline]
    url: Callable[[], str]
    permission: str
    order: int = 50
    urgent: bool = False


@dataclass(frozen=True)
class Line:
    """A line of the dashboard."""

    work: Work
    count: int
    oldest: datetime | None
    url: str = field(default="")


REGISTERED: dict[str, Work] = {}


def needs_hands(work: Work) -> None:
    """Register a kind of work; a name again replaces the earlier one."""
    REGISTERED[work.name] = work


def counted(match: dict[str, Any], *, age: str = "") -> Pipeline:
    """Return the pipeline of the usual case: how many match, and the oldest by the field `age`."""
    group: dict[str, Any] = {"_id": None, "count": {"$sum": 1}}
    if age:
        group["oldest"] = {"$min": f"${age}"}
    return [{"$match": match}, {"$group": group}]


def lines(user: Any) -> list[Line]:
    """Return the lines that `user` may see, those with work first, by one command."""
    works = sorted(
        (work for work in REGISTERED.values() if user.has_perm(work.permission)),
        key=lambda work: work.order,
    )
    if not works:
        return []
    now = timezone.now()
    first, *rest = [
        (work.model._meta.db_table, [*work.stages(now), {"$set": {"work": work.name}}])
        for work in works
    ]
    pipeline = list(first[1])
    for collection, stages in rest:
        pipeline.append({"$unionWith": {"coll": collection, "pipeline": stages}})
    connection.ensure_connection()
    rows = {row["work"]: row for row in connection.database[first[0]].aggregate(pipeline)}
    found = []
    for work in works:
        row = rows.get(work.name, {})
        oldest = row.get("oldest")
        aware = oldest.replace(tzinfo=UTC) if oldest is not None else None
        found.append(Line(work, row.get("count", 0), aware, work.url()))
    return sorted(found, key=lambda line: line.count == 0)

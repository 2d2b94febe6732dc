"""Keyset paging by creation time: no page counts or skips over a collection."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from bson import ObjectId
from django.db.models import Q, QuerySet
from django.http import HttpRequest

PAGE_SIZE = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Milliseconds, as the database keeps them, and the key, which settles ties.
_EDGE = re.compile(r"(\d{1,14})-([0-9a-f]{24})", re.ASCII)

Edge = tuple[datetime, ObjectId]


def page_by_time(
    request: HttpRequest, queryset: QuerySet, *, size: int = PAGE_SIZE
) -> tuple[list[Any], str, str]:
    """Return (documents newest first, older_url, newer_url); an empty URL means no such page.

    `?before=` and `?after=` name the edge of the page looked at; nonsense there is the first page.
    The queryset must be narrowed by equality on a field whose index goes on with -created_at and
    -id: then a page is one read of that index, however long the list is.
    """
    before, after = _edge(request, "before"), _edge(request, "after")
    if after is not None:
        newer = queryset.filter(
            Q(created_at__gt=after[0]) | Q(created_at=after[0], pk__gt=after[1]),
            created_at__gte=after[0],
        )
        found = list(newer.order_by("created_at", "pk")[: size + 1])
        more_newer, found = len(found) > size, list(reversed(found[:size]))
        more_older = True
    else:
        if before is not None:
            queryset = queryset.filter(
                Q(created_at__lt=before[0]) | Q(created_at=before[0], pk__lt=before[1]),
                created_at__lte=before[0],
            )
        found = list(queryset.order_by("-created_at", "-pk")[: size + 1])
        more_older, found = len(found) > size, found[:size]
        more_newer = before is not None
    older = _url(request, "before", found[-1]) if found and more_older else ""
    newer_url = _url(request, "after", found[0]) if found and more_newer else ""
    return found, older, newer_url


def _edge(request: HttpRequest, name: str) -> Edge | None:
    match = _EDGE.fullmatch(request.GET.get(name, ""))
    if match is None:
        return None
    return EPOCH + timedelta(milliseconds=int(match[1])), ObjectId(match[2])


def _url(request: HttpRequest, name: str, document: Any) -> str:
    kept = {key: value for key, value in request.GET.items() if key not in ("before", "after")}
    milliseconds = (document.created_at - EPOCH) // timedelta(milliseconds=1)
    return f"?{urlencode({**kept, name: f'{milliseconds}-{document.pk}'})}"

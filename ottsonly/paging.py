"""Keyset paging by creation time: no page counts or skips over a collection."""

from typing import Any
from urllib.parse import urlencode

from bson import ObjectId
from bson.errors import InvalidId
from django.db.models import QuerySet
from django.http import HttpRequest

PAGE_SIZE = 20


def page_by_id(
    request: HttpRequest, queryset: QuerySet, *, size: int = PAGE_SIZE
) -> tuple[list[Any], str, str]:
    """Return (documents newest first, older_url, newer_url); an empty URL means no such page.

    ObjectIds grow with time, so `?before=` and `?after=` name the edge of the page looked at. The
    queryset must be narrowed by equality on an indexed field already.
    """
    before, after = _edge(request, "before"), _edge(request, "after")
    if after is not None:
        found = list(queryset.filter(pk__gt=after).order_by("pk")[: size + 1])
        more_newer, found = len(found) > size, list(reversed(found[:size]))
        more_older = True
    else:
        if before is not None:
            queryset = queryset.filter(pk__lt=before)
        found = list(queryset.order_by("-pk")[: size + 1])
        more_older, found = len(found) > size, found[:size]
        more_newer = before is not None
    older = _url(request, "before", found[-1].pk) if found and more_older else ""
    newer = _url(request, "after", found[0].pk) if found and more_newer else ""
    return found, older, newer


def _edge(request: HttpRequest, name: str) -> ObjectId | None:
    try:
        return ObjectId(request.GET[name])
    except (KeyError, InvalidId):
        return None


def _url(request: HttpRequest, name: str, edge: ObjectId) -> str:
    kept = {key: value for key, value in request.GET.items() if key not in ("before", "after")}
    return f"?{urlencode({**kept, name: str(edge)})}"

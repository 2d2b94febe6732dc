"""Lists of the console: a window of time and a place to go on from, never a count or a full sort.

A page is a range of the index on the creation time: from where the last page ended (or now) back
to the start of the window. So its cost depends on the days it covers and not on how many
documents there are. When a window is used up, the next link looks further back.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from bson import ObjectId
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from unfold.views import ChangeList

from ottsonly.related import attach_related

DAYS, DAY, CURSOR = "days", "day", "from"
OWN_PARAMETERS = (DAYS, DAY, CURSOR)
# 0 is "all": for what is very old, and for shops that are small.
WINDOWS = (3, 7, 30, 90, 365, 0)


@dataclass(frozen=True)
class Link:
    """A link of a list's window bar."""

    text: str
    url: str
    selected: bool = False


class WindowPages:
    """Stands where the admin expects a paginator, and counts nothing."""

    template_name = "admin/_window_pages.html"
    per_page = 0
    count = 0


class WindowedChangeList(ChangeList):
    """One page of a list by time.

    Reads from its model admin: `time_field`, `window_days`, `narrow_parameters` (filters that an
    index answers with few documents, so that no window is needed), `oldest_first_parameters` and
    `list_prefetch`.
    """

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.given = {name: request.GET.get(name, "") for name in OWN_PARAMETERS}
        super().__init__(request, *args, **kwargs)

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        kept = super().get_filters_params(params)
        return {name: value for name, value in kept.items() if name not in OWN_PARAMETERS}

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Links of filters start at the first page again."""
        removed = list(remove or [])
        kept = {
            name: value
            for name, value in self.filter_params.items()
            if name != CURSOR and not any(name.startswith(prefix) for prefix in removed)
        }
        for name, value in (new_params or {}).items():
            if value is None:
                kept.pop(name, None)
            else:
                kept[name] = value
        return f"?{urlencode(sorted(kept.items()), doseq=True)}"

    def apply_select_related(self, qs: QuerySet) -> QuerySet:
        """Join nothing: a join would come before the sort and lose the index."""
        return qs

    @property
    def is_narrow(self) -> bool:
        searched = self.query and self.model_admin.search_fields
        return bool(searched) or self._is_given(self.model_admin.narrow_parameters)

    def _is_given(self, parameters: tuple[str, ...]) -> bool:
        """Say whether the address holds one of `parameters` ("name" or "name=value")."""
        for parameter in parameters:
            name, _equals, value = parameter.partition("=")
            if name in self.filter_params and value in ("", self.params.get(name)):
                return True
        return False

    @property
    def oldest_first(self) -> bool:
        return self._is_given(self.model_admin.oldest_first_parameters)

    @property
    def days(self) -> int:
        """Days that one page looks back; 0 is all."""
        text = self.given[DAYS]
        if text.isascii() and text.isdigit() and int(text) in WINDOWS:
            return int(text)
        return 0 if self.is_narrow else self.model_admin.window_days

    @property
    def day(self) -> date | None:
        try:
            day = parse_date(self.given[DAY])
        except ValueError:
            return None
        # Days at the ends of the calendar have no midnight in UTC, or no day after them.
        return day if day is not None and 1 < day.year < 9999 else None

    def _cursor(self) -> tuple[datetime, ObjectId | None] | None:
        """Return where to go on from: a time, and the document of that time that came last."""
        millis, _dot, key = self.given[CURSOR].partition(".")
        if not (millis.isascii() and millis.isdigit() and len(millis) < 15):
            return None
        moment = datetime.fromtimestamp(int(millis) / 1000, tz=timezone.get_current_timezone())
        return moment, ObjectId(key) if ObjectId.is_valid(key) else None

    def get_ordering(self, request: HttpRequest, queryset: QuerySet) -> list[str]:
        field = self.model_admin.time_field
        return [field, "pk"] if self.oldest_first else [f"-{field}", "-pk"]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        queryset = super().get_queryset(request, exclude_parameters)
        return self._windowed(queryset.order_by(*self.get_ordering(request, queryset)))

    def _windowed(self, queryset: QuerySet) -> QuerySet:
        field = self.model_admin.time_field
        cursor = self._cursor()
        bounds: dict[str, datetime] = {}
        if self.day:
            start = datetime.combine(self.day, time(), timezone.get_current_timezone())
            bounds = {f"{field}__gte": start, f"{field}__lt": start + timedelta(days=1)}
        if cursor:
            # Documents of the very same moment are told apart in Python, see get_results.
            bound = f"{field}__gte" if self.oldest_first else f"{field}__lte"
            bounds[bound] = cursor[0]
            if f"{field}__lt" in bounds and not self.oldest_first:
                del bounds[f"{field}__lt"]
        self.starts_at = None
        if not self.day and self.days and not self.oldest_first:
            upper = cursor[0] if cursor else timezone.now()
            self.starts_at = upper - timedelta(days=self.days)
            bounds[f"{field}__gte"] = self.starts_at
        return queryset.filter(**bounds) if bounds else queryset

    def get_results(self, request: HttpRequest) -> None:
        try:
            self._read_page()
        except OverflowError as error:
            # A date or a number in the address that the database cannot hold.
            raise IncorrectLookupParameters(error) from error

    def _read_page(self) -> None:
        size, cursor = self.list_per_page, self._cursor()
        rows: list[Any] = []
        skipped = 0
        # A page more than the ties is read again only if one moment holds more than a page.
        while True:
            found = list(self.queryset[skipped : skipped + size + 1])
            rows.extend(row for row in found if not self._was_shown(row, cursor))
            skipped += len(found)
            if len(rows) > size or len(found) <= size:
                break
        more, rows = len(rows) > size, rows[:size]
        attach_related(rows, self.model_admin.list_prefetch)
        self.result_list = rows
        self.result_count = self.full_result_count = len(rows)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = bool(rows)
        self.paginator = WindowPages()
        self.next_url = self._next_url(rows, more)
        self.first_url = self._url() if cursor else ""

    def _was_shown(self, row: Any, cursor: tuple[datetime, ObjectId | None] | None) -> bool:
        if cursor is None or cursor[1] is None:
            return False
        moment, key = getattr(row, self.model_admin.time_field), row.pk
        if moment != cursor[0]:
            return False
        return key <= cursor[1] if self.oldest_first else key >= cursor[1]

    def _url(self, **changed: Any) -> str:
        return self.get_query_string({name.rstrip("_"): value for name, value in changed.items()})

    def _next_url(self, rows: list[Any], more: bool) -> str:
        if more:
            last = rows[-1]
            moment = getattr(last, self.model_admin.time_field)
            return self._url(from_=f"{_millis(moment)}.{last.pk}")
        if self.starts_at is None:
            return ""
        # This window is used up: go on from its start, and further back at a time.
        wider = WINDOWS[WINDOWS.index(self.days) + 1]
        return self._url(from_=_millis(self.starts_at), days=wider)

    @property
    def next_text(self) -> str:
        if self.oldest_first:
            return _("Newer")
        if self.starts_at is not None and len(self.result_list) < self.list_per_page:
            return _("Look further back")
        return _("Older")

    @property
    def range_text(self) -> str:
        """Say which days the page looked at."""
        if self.day:
            return f"{self.day:%-d %b %Y}"
        if self.starts_at is None:
            return _("All days")
        start = timezone.localtime(self.starts_at)
        cursor = self._cursor()
        if cursor is None:
            return _("Since %(start)s") % {"start": f"{start:%-d %b %Y}"}
        return f"{start:%-d %b %Y} – {timezone.localtime(cursor[0]):%-d %b %Y}"

    @property
    def window_links(self) -> list[Link]:
        links = []
        for days in WINDOWS:
            text = ngettext("%d day", "%d days", days) % days if days else _("All")
            selected = not self.day and days == self.days
            links.append(Link(text, self._url(days=days, day=None), selected))
        return links

    @property
    def kept_parameters(self) -> list[tuple[str, str]]:
        """What the form for a day carries on."""
        return [
            (name, value)
            for name, values in sorted(self.filter_params.items())
            if name not in OWN_PARAMETERS
            for value in (values if isinstance(values, list) else [values])
        ]


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)

"""Admin classes shared by the rooms, and the trace."""

import json
from collections.abc import Callable
from typing import Any, ClassVar

from bson import ObjectId
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from ottsonly.admin_commands import CommandsMixin
from ottsonly.admin_lists import WindowedChangeList
from ottsonly.models import AuditEvent, PeriodicJob
from ottsonly.money import format_rupees


def chip(text: Any, tone: str = "") -> SafeString:
    """Return a state as a small label; tone is good, warn, bad or nothing."""
    tone_class = f" console-state-{tone}" if tone else ""
    return format_html('<span class="console-state{}">{}</span>', tone_class, text)


def link_to(url: str, text: Any) -> SafeString:
    return format_html('<a class="console-link" href="{}">{}</a>', url, text)


def rupees(field: str, description: Any) -> Callable[[Any, Any], str]:
    """Return a column, or a line of a page, that shows the paise in `field` as rupees."""

    @admin.display(description=description)
    def shown(model_admin: Any, document: Any) -> str:
        paise = getattr(document, field)
        return "–" if paise is None else format_rupees(paise)

    return shown


class ConsoleAdmin(CommandsMixin, ModelAdmin):
    """Base of every room's admin: Unfold's looks, commands, no deletion and no bulk deletion."""

    view_on_site = False
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_disable_select_all = True
    compressed_fields = True
    # What an empty list says, in one sentence with the next step.
    empty_text: ClassVar[Any] = _("Nothing here yet.")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What was sold refers to it: deactivate instead.
        return False


class ReadOnlyAdmin(ConsoleAdmin):
    """Shows documents and lets nobody add, change or delete one: changes go by the services."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class WindowedAdmin(ReadOnlyAdmin):
    """A list by time that costs as much as the days it shows, however many documents there are.

    `search(text)` returns the keyword filters that answer a search by equality on an index, or
    None where nothing can match; searching looks at all days.
    """

    time_field: ClassVar[str] = "created_at"
    window_days: ClassVar[int] = 7
    # Filters that few documents pass, by an index: all days are looked at.
    narrow_parameters: ClassVar[tuple[str, ...]] = ()
    oldest_first_parameters: ClassVar[tuple[str, ...]] = ()
    # Related documents of the rows, read in one command each.
    list_prefetch: ClassVar[tuple[str, ...]] = ()
    sortable_by: ClassVar[tuple[str, ...]] = ()
    search_placeholder: ClassVar[Any] = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[WindowedChangeList]:
        return WindowedChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # The list orders by its window; an order given here would be a second one.
        return super().get_queryset(request).order_by()

    def search(self, text: str) -> dict[str, Any] | None:
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        # A list without a search box is not searched by its address either.
        if not self.search_fields or not search_term.strip():
            return queryset, False
        filters = self.search(search_term.strip())
        return (queryset.none() if filters is None else queryset.filter(**filters)), False


def pretty(values: list[tuple[str, Any]]) -> SafeString:
    """Return the values of an event as a small list of words."""
    if not values:
        return format_html("<span>{}</span>", "–")
    rows = ((name, json.dumps(value, ensure_ascii=False)) for name, value in values)
    return format_html(
        '<dl class="console-values">{}</dl>',
        format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", rows),
    )


@admin.register(AuditEvent)
class AuditEventAdmin(WindowedAdmin):
    """The trace: who did what, newest first. Nobody can edit it."""

    list_display = ("created_at", "action", "about", "actor", "changed")
    list_filter = ()
    list_prefetch = ("actor",)
    search_fields = ("object_id",)
    search_help_text = _("Who did it (phone, e-mail), action or id")
    narrow_parameters = ("object_id", "object_id__exact")
    window_days = 30
    fields = (("created_at", "actor"), ("action", "about"), "was", "became")
    readonly_fields = ("about", "was", "became")
    empty_text = _("Nobody did anything in these days. Look further back.")
    change_form_outer_after_template = None

    def search(self, text: str) -> dict[str, Any] | None:
        if not ObjectId.is_valid(text):
            found = import_string(settings.FIND_PEOPLE)(text)
            if found or "@" in text:
                return {"actor_id__in": found} if found else None
        return {"action": text} if "." in text else {"object_id": text}

    @admin.display(description=_("About"))
    def about(self, event: AuditEvent) -> str | SafeString:
        """What it was done to, as a link where the console has a page of that."""
        name = event.object_type.lower().replace(".", "_")
        for model in self.admin_site._registry:
            if model._meta.label_lower.replace(".", "_") == name and event.object_id:
                url = reverse(f"admin:{name}_change", args=[event.object_id])
                return link_to(url, capfirst(model._meta.verbose_name))
        return event.object_type or "–"

    @admin.display(description=_("Before"))
    def was(self, event: AuditEvent) -> SafeString:
        return pretty(event.before_rows)

    @admin.display(description=_("After"))
    def became(self, event: AuditEvent) -> SafeString:
        return pretty(event.after_rows)

    @admin.display(description=_("Changed"))
    def changed(self, event: AuditEvent) -> str:
        text = ", ".join(f"{name}: {value}" for name, value in event.after_rows)
        return text if len(text) <= 80 else f"{text[:79]}…"


@admin.register(PeriodicJob)
class PeriodicJobAdmin(ReadOnlyAdmin):
    """What the workers do, when, and what went wrong."""

    list_display = ("name", "last_run", "last_duration", "next_run", "failures", "last_error")
    empty_text = _("No worker has run yet: start one with manage.py worker.")
    change_form_outer_after_template = None

    @admin.display(description=_("Duration"), ordering="last_duration_ms")
    def last_duration(self, job: PeriodicJob) -> str:
        return "" if job.last_duration_ms is None else f"{job.last_duration_ms / 1000:.2f} s"

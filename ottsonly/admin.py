"""Admin classes shared by the rooms, the audit list and the workers' jobs."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ottsonly.models import AuditEvent, PeriodicJob


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows documents and lets nobody add, change or delete one: changes go by the services."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The trace: who did what, newest first."""

    list_display = ("created_at", "action", "object_type", "object_id", "actor")
    list_filter = ("action",)
    list_select_related = ("actor",)
    search_fields = ("object_id__exact",)


@admin.register(PeriodicJob)
class PeriodicJobAdmin(ReadOnlyAdmin):
    """What the workers do, when, and what went wrong."""

    list_display = ("name", "last_run", "last_duration", "next_run", "failures", "last_error")

    @admin.display(description="Duration", ordering="last_duration_ms")
    def last_duration(self, job: PeriodicJob) -> str:
        return "" if job.last_duration_ms is None else f"{job.last_duration_ms / 1000:.2f} s"

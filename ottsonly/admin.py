"""Admin classes shared by the rooms, and the audit list."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ottsonly.models import AuditEvent


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

"""Notices in the console."""

from django.contrib import admin

from notifications.models import Notification
from ottsonly.admin import ReadOnlyAdmin


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """Notices as customers see them."""

    list_display = ("created_at", "user", "kind", "title", "read_at")
    list_filter = ("kind",)
    list_select_related = ("user",)
    # Newest first by the key, which has an index.
    ordering = ("-pk",)

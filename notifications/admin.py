"""Notices in the console."""

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts.admin import by_person
from notifications.models import Notification
from ottsonly.admin import WindowedAdmin


@admin.register(Notification)
class NotificationAdmin(WindowedAdmin):
    """Notices as customers see them."""

    list_display = ("created_at", "user", "kind", "title", "read_at")
    list_filter = ("kind",)
    list_prefetch = ("user",)
    search_fields = ("user",)
    search_help_text = _("Phone or e-mail of the customer")
    narrow_parameters = ("user__id__exact",)
    empty_text = _("No notice was written in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        return by_person(text)

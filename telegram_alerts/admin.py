"""The outbox in the console."""

from django.contrib import admin

from ottsonly.admin import ReadOnlyAdmin
from telegram_alerts.models import Alert


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Alerts: what waits, what failed and why."""

    list_display = ("created_at", "kind", "state", "attempts", "next_attempt_at", "last_error")
    list_filter = ("state", "kind")

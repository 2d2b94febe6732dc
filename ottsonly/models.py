"""Documents of the ground floor: audit events, counters of limits, periodic jobs."""

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone
from django_mongodb_backend.managers import MongoManager

from ottsonly.append_only import AppendOnlyQuerySet
from ottsonly.money import format_rupees


class AuditEvent(models.Model):
    """Who did what to which document, and how it looked before and after (never a secret)."""

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=40, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(AppendOnlyQuerySet)()

    class Meta:
        db_table = "audit_events"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["-created_at"], name="audit_recent"),
            models.Index(fields=["object_id", "-created_at"], name="audit_of_object"),
            models.Index(fields=["action", "-created_at", "-id"], name="audit_action_recent"),
            models.Index(fields=["actor", "-created_at", "-id"], name="audit_actor_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}".strip()

    @property
    def before_rows(self) -> list[tuple[str, Any]]:
        return _as_told(self.before)

    @property
    def after_rows(self) -> list[tuple[str, Any]]:
        return _as_told(self.after)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new event; an existing one is never changed."""
        if not self._state.adding:
            raise TypeError("audit events are append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("audit events are append-only")


def _as_told(values: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return names and values of an event as people read them: paise as rupees."""
    return [
        (name.removesuffix("_paise"), format_rupees(value))
        if name.endswith("_paise") and isinstance(value, int)
        else (name, value)
        for name, value in values.items()
    ]


class Counter(models.Model):
    """How often something was asked for in one window of time; used by ottsonly.limits."""

    key = models.CharField(primary_key=True, max_length=200)
    count = models.IntegerField(default=0)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "counters"
        indexes = [models.Index(fields=["expires_at"], name="counter_expiry")]

    def __str__(self) -> str:
        return f"{self.key.split(':')[0]} counter"


class PeriodicJob(models.Model):
    """When a job of settings.PERIODIC_JOBS runs next, and how its last run went."""

    name = models.CharField(primary_key=True, max_length=60)
    next_run = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=40, blank=True)
    # When it was last begun; the newest of all jobs is the workers' sign of life.
    last_run = models.DateTimeField(null=True, blank=True)
    last_duration_ms = models.PositiveIntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=200, blank=True)
    # In a row; 0 after a run that went well, while `last_error` stays to be read.
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "periodic_jobs"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
